# SPDX-License-Identifier: Apache-2.0
"""The page of ``networker top``, and what its keys do."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from networker.cli.top import keys
from networker.cli.topview import Rates, View, draw
from networker.reports import Calls, Operation, PoolState, Queue, Request, Worker


def call(number: int, **more: object) -> Operation:
    """Return a running operation, the older the higher its number."""
    fields: dict[str, object] = {
        "method": f"method_{number:02}",
        "operation_id": f"{number:08}-0000",
        "seconds": float(number),
        "since": time.time() - number,
        "worker": "net1:7",
        "caller": f"ctl{number}:octavia:1",
    }
    return Operation(**(fields | more))  # type: ignore[arg-type]


def state(
    *running: Operation,
    at: float = 100.0,
    ended: int = 0,
    failed: int = 0,
    **more: object,
) -> PoolState:
    """Return a pool of one worker."""
    buckets = [0] * 15
    buckets[2] = ended
    calls = Calls(
        method="plug_vip",
        ended=ended,
        errors={"PlugVIPException": failed},
        buckets=tuple(buckets),
    )
    worker = Worker(
        host="net1",
        pid=7,
        since=50.0,
        threads=16,
        busy=len(running),
        running=running,
        calls=(calls,),
    )
    queue = Queue(name="networker", use="casts", messages=3, consumers=1)
    fields: dict[str, object] = {
        "asked_at": at,
        "broker": "127.0.0.1:5672",
        "version": "RabbitMQ 4.0",
        "exchange": "networker",
        "topic": "networker",
        "workers": (worker,),
        "queues": (queue,),
    }
    return PoolState(**(fields | more))  # type: ignore[arg-type]


def page(
    told: PoolState | None,
    view: View,
    *before: PoolState,
    trouble: str | None = None,
    height: int = 24,
) -> list[str]:
    """Return the lines that are drawn on a terminal of 80 columns."""
    rates = Rates()
    for each in (*before, *filter(None, [told])):
        rates.add(each)
    console = Console(file=io.StringIO(), width=80, height=height, color_system=None)
    console.print(draw(told, trouble, rates, view, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_it_fits_into_80_by_24():
    """However much runs, nothing is wider or longer than the terminal."""
    many = [
        call(n, waits_for=(Request(request="network: GET /" + 99 * "x"),))
        for n in range(60)
    ]
    unwell = ("x" * 200,)
    lines = page(state(*many, unwell=unwell), View(), state(at=90.0))
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert any("method_59" in line for line in lines)
    assert "q quit" in lines[-1]


def test_rates_are_differences():
    """What has ended between two questions counts, and what failed of it."""
    lines = page(state(at=110.0, ended=150, failed=30), View(), state(ended=50))
    (line,) = [each for each in lines if each.startswith("plug_vip")]
    assert line.split()[:5] == [
        "plug_vip",
        "10.0",
        "<50ms",
        "<50ms",
        "PlugVIPException",
    ]
    assert "ended 10.0/s  failed 3.0/s" in lines[1]


def test_a_worker_that_takes_anothers_place_counts_from_zero():
    """Rates are not negative when a process with the same number begins anew."""
    rates = Rates()
    before = state(ended=50)
    (worker,) = state(at=110.0, ended=5).workers
    newer = Worker(**(worker.state() | {"since": 105.0, "calls": worker.calls}))
    rates.add(before)
    rates.add(state(at=110.0, workers=(newer,)))
    assert [each.ended for each in rates.calls()] == [5]


@pytest.mark.parametrize(
    ("sort", "first"), [("age", "b"), ("method", "a"), ("worker", "c"), ("step", "b")]
)
def test_order(sort, first):
    """The oldest, or the first by name."""
    told = state(
        call(1, method="a", worker="w2"),
        call(
            3, method="b", worker="w3", waits_for=(Request(request="compute: GET /"),)
        ),
        call(2, method="c", worker="w1"),
    )
    assert View(sort=sort).rows(told)[0].method == first


def test_keys_filter_choose_and_show():
    """Typing filters by any text; enter shows all of what is chosen; esc goes back."""
    asked = Request(request="network: PUT /ports/9", seconds=1.0, tries=2)
    told = state(call(1), call(2, load_balancer="lb-2", waits_for=(asked,)), call(3))
    view = View()
    for key in ("down", "enter"):
        view.press(key, view.rows(told))
    text = "\n".join(page(told, view))
    assert "lb-2" in text
    assert "network: PUT /ports/9 for 1.0s, try 2" in text
    assert "method_03" not in text
    view.press("esc", view.rows(told))
    for key in ("/", "c", "t", "l", "4", "backspace", "3", "enter"):
        view.press(key, view.rows(told))
    assert [each.method for each in view.rows(told)] == ["method_03"]
    assert not view.ended
    view.press("esc", view.rows(told))
    assert len(view.rows(told)) == 3
    view.press("q", view.rows(told))
    assert view.ended


def test_what_has_ended_while_it_was_shown():
    """Its place says how to find it."""
    view = View(shown="7-7")
    assert any(
        "runs no more: `networker operation 7-7`" in x for x in page(state(), view)
    )


def test_trouble_is_told():
    """A broker that is away, before or after there was something to show, is named."""
    assert "cannot be reached" in "\n".join(
        page(None, View(), trouble="cannot be reached")
    )
    lines = page(state(at=time.time() - 5), View(), trouble="cannot be reached")
    assert "as it was 5.0s ago: cannot be reached" in lines[2]
    hangs = Worker(host="net1", pid=8, hangs="it did not answer within 1 s")
    lines = page(state(workers=(hangs,), unwell=("worker net1:8: hangs",)), View())
    assert "! worker net1:8: hangs" in lines[2]
    assert any("net1:8" in line and "hangs: it did" in line for line in lines[4:])


def test_a_worker_that_is_gone():
    """It is told for a minute, unless it had drained or nobody could be asked."""
    before, after = state(at=90.0), state(at=100.0, workers=())
    assert page(after, View(), before)[2] == "! worker net1:7 is gone, seen 10s ago"
    drained = Worker(host="net1", pid=7, draining=True)
    assert page(after, View(), state(at=90.0, workers=(drained,)))[2] == "all is well"
    late = state(at=155.0, workers=())
    assert page(late, View(), before)[2] == "all is well"
    alarmed = state(at=100.0, workers=(), alarm="memory")
    assert page(alarmed, View(), before)[2] == "all is well"


def test_keys_of_a_terminal():
    """Sequences of arrows are one key, and escape alone is one, too."""
    assert keys(b"s\x1b[A\x1bOBj") == ["s", "up", "down", "j"]
    assert keys(b"\x1b") == ["esc"]
    assert keys(b"\r\x7f\xff") == ["enter", "backspace", "�"]
