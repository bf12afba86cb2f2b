# SPDX-License-Identifier: Apache-2.0
"""What ``networker top`` draws: a page made of what the pool tells, and of keys."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from networker.cli.words import ago, short
from networker.reports import Calls, Operation, PoolState, Worker

SORTS = ("age", "method", "worker", "step")
#: States over which rates are counted.
_SAMPLES = 6
#: Seconds for which a worker that is gone is told of.
_GONE = 60.0
#: Lines that workers and methods take at most; the running calls get the rest.
_WORKERS, _METHODS = 5, 5
#: Lines of everything but rows: head, keys, and a head of each table with a line between.
_FIXED = 10
_KEYS = "q quit   s sort: {sort}   / filter   ↑↓ choose   enter show one   esc back"


@dataclasses.dataclass
class View:
    """What the keys have chosen.

    :param sort: one of :data:`SORTS`
    :param filter: what rows must have in them
    :param typing: whether keys go to the filter
    :param chosen: the row, from 0
    :param shown: the operation that is shown alone, by its id
    """

    sort: str = SORTS[0]
    filter: str = ""
    typing: bool = False
    chosen: int = 0
    shown: str | None = None
    ended: bool = False

    def press(self, key: str, rows: Sequence[Operation]) -> None:
        """Do what a key means.

        :param key: a character, or ``up``, ``down``, ``enter``, ``esc``, ``backspace``
        :param rows: what is shown
        """
        if self.typing:
            self._type(key)
        elif key == "q":
            self.ended = True
        elif key == "s":
            self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        elif key == "/":
            self.typing, self.shown = True, None
        elif key in {"up", "k"}:
            self.chosen = max(0, self.chosen - 1)
        elif key in {"down", "j"}:
            self.chosen = max(0, min(len(rows) - 1, self.chosen + 1))
        elif key == "enter" and rows:
            self.shown = rows[min(self.chosen, len(rows) - 1)].operation_id
        elif key == "esc":
            if self.shown is None:
                self.filter = ""
            self.shown = None

    def _type(self, key: str) -> None:
        if key in {"enter", "esc"}:
            self.typing = False
            self.filter = self.filter if key == "enter" else ""
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif len(key) == 1 and key.isprintable():
            self.filter += key
        self.chosen = 0

    def rows(self, state: PoolState) -> list[Operation]:
        """Return the running operations that are wanted, in the wanted order."""
        found = [call for call in state.running if self.wants(*_words(call))]
        if self.sort == "method":
            found.sort(key=lambda call: call.method)
        elif self.sort == "worker":
            found.sort(key=lambda call: call.worker or "")
        elif self.sort == "step":
            found.sort(key=lambda call: call.step or "~")
        return found

    def wants(self, *words: str | None) -> bool:
        """Tell whether something has in it what is looked for."""
        wanted = self.filter.lower()
        return any(wanted in word.lower() for word in words if word) or not wanted


def _words(call: Operation) -> tuple[str | None, ...]:
    return (
        call.method,
        call.worker,
        call.caller,
        call.step,
        call.operation_id,
        call.request_id,
        call.load_balancer,
    )


class Rates:
    """What has ended lately, by method: the difference of what workers have counted."""

    def __init__(self) -> None:
        self._states: collections.deque[PoolState] = collections.deque(maxlen=_SAMPLES)
        self._seen: dict[str, tuple[float, Worker]] = {}

    def add(self, state: PoolState) -> None:
        """Take note of a state."""
        self._states.append(state)
        if not state.alarm:
            self._seen |= {each.name: (state.asked_at, each) for each in state.workers}
            oldest = state.asked_at - _GONE
            self._seen = {k: v for k, v in self._seen.items() if v[0] > oldest}

    def gone(self) -> list[str]:
        """Return a line for each worker that is not there any more, and did not drain."""
        if not self._states or self._states[-1].alarm:
            return []
        now = self._states[-1].asked_at
        return [
            f"worker {name} is gone, seen {ago(now - at)} ago"
            for name, (at, worker) in sorted(self._seen.items())
            if at < now and not worker.draining
        ]

    @property
    def seconds(self) -> float:
        """How long it is that rates are counted for; 0 where there is nothing yet."""
        if not self._states:
            return 0.0
        return self._states[-1].asked_at - self._states[0].asked_at

    def calls(self) -> list[Calls]:
        """Return what has ended in that time, the most frequent method first."""
        if not self._states:
            return []
        before = _counted(self._states[0].workers)
        summed: dict[str, Calls] = {}
        for (worker, method), now in _counted(self._states[-1].workers).items():
            known = before.get((worker, method), Calls(method=method))
            summed[method] = _sum(summed.get(method, Calls(method=method)), now, known)
        ended = [each for each in summed.values() if each.ended]
        return sorted(ended, key=lambda each: -each.ended)


def _counted(workers: Sequence[Worker]) -> dict[tuple[str, str], Calls]:
    # A process that takes another one's place, even under its number, begins later.
    return {
        (f"{worker.name} {worker.since}", each.method): each
        for worker in workers
        for each in worker.calls
    }


def _sum(before: Calls, now: Calls, then: Calls) -> Calls:
    """Return what was known, and what has come to it between two counts."""
    errors = collections.Counter(before.errors) + (
        collections.Counter(now.errors) - collections.Counter(then.errors)
    )
    parts = zip(before.buckets, now.buckets, then.buckets, strict=True)
    return Calls(
        method=now.method,
        ended=before.ended + now.ended - then.ended,
        errors=dict(errors),
        seconds=before.seconds + now.seconds - then.seconds,
        buckets=tuple(a + b - c for a, b, c in parts),
    )


def draw(
    state: PoolState | None,
    trouble: str | None,
    rates: Rates,
    view: View,
    height: int,
) -> RenderableType:
    """Return the page.

    :param state: what was told last
    :param trouble: why nothing newer is known; None if nothing keeps it away
    :param height: lines that there are
    """
    if state is None:
        text = trouble or "asking the broker and the workers"
        return Group(Text("networker top"), Text(text, style="red" if trouble else ""))
    parts: list[RenderableType] = [*_head(state, trouble, rates)]
    rows = view.rows(state)
    shown = next((c for c in rows if c.operation_id == view.shown), None)
    if view.shown is not None:
        parts += _one(shown, view.shown)
    else:
        workers = [w for w in state.workers if view.wants(w.name, w.trouble)]
        methods = [m for m in rates.calls() if view.wants(m.method)]
        used = min(len(workers), _WORKERS) + min(len(methods), _METHODS)
        left = max(1, height - _FIXED - used)
        parts += [
            _workers(workers, state.asked_at),
            Text(),
            _methods(methods, rates.seconds),
            Text(),
            _running(rows, view, left),
        ]
    parts.append(_foot(view))
    return Group(*parts)


def _head(state: PoolState, trouble: str | None, rates: Rates) -> list[Text]:
    busy = sum(worker.busy for worker in state.workers)
    threads = sum(worker.threads for worker in state.workers)
    waiting = sum(q.messages or 0 for q in state.queues if q.use in {"casts", "calls"})
    dead, ended = state.queue("dead"), rates.calls()
    failed = sum(sum(each.errors.values()) for each in ended)
    at = time.strftime("%H:%M:%S", time.localtime(state.asked_at))
    count = sum(each.ended for each in ended)
    facts = (
        f"{at}  workers {len(state.workers)}  busy {busy}/{threads}  waiting {waiting}  "
        f"dead {(dead and dead.messages) or 0}  ended {_rate(count, rates)}  "
        f"failed {_rate(failed, rates)}"
    )
    lines = [_line(f"networker top  {state.topic}  {state.broker}  {state.version}")]
    lines.append(_line(facts))
    if trouble:
        old = ago(time.time() - state.asked_at)
        lines.append(_line(f"as it was {old} ago: {trouble}", "red"))
    elif unwell := [*state.unwell, *rates.gone()]:
        more = f"(and {len(unwell) - 1} more) " if len(unwell) > 1 else ""
        lines.append(_line(f"! {more}{unwell[0]}", "red"))
    else:
        lines.append(_line("all is well", "green"))
    return [*lines, Text()]


def _rate(count: int, rates: Rates) -> str:
    return f"{count / rates.seconds:.1f}/s" if rates.seconds > 0 else "-"


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _table(*columns: tuple[str, int | None]) -> Table:
    """Return a table of columns with their greatest widths; None for what is left."""
    table = Table(box=None, pad_edge=False, expand=True, header_style="bold")
    for name, width in columns:
        ratio = None if width else 1
        table.add_column(
            name, max_width=width, ratio=ratio, no_wrap=True, overflow="ellipsis"
        )
    return table


def _workers(workers: Sequence[Worker], now: float) -> Table:
    table = _table(("worker", 24), ("busy", 7), ("up", 5), ("state", None))
    # What is not well must not be what there is no line for.
    ordered = sorted(workers, key=lambda each: each.trouble is None)
    for each in ordered[:_WORKERS]:
        up = ago(now - each.since) if each.since else ""
        error = each.last_error
        last = error and f"last error {error.outcome} {ago(now - error.when)} ago"
        table.add_row(
            Text(each.name),
            Text(f"{each.busy}/{each.threads}"),
            Text(up),
            Text(each.trouble or last or "serves", "red" if each.trouble else ""),
        )
    return table


def _methods(methods: Sequence[Calls], seconds: float) -> Table:
    table = _table(
        ("method", 24), ("ended/s", 8), ("p50", 7), ("p95", 7), ("failed", None)
    )
    for each in methods[:_METHODS]:
        failed = ", ".join(f"{name} {number}" for name, number in each.errors.items())
        table.add_row(
            Text(each.method),
            Text(f"{each.ended / seconds:.1f}" if seconds > 0 else "-"),
            Text(_below(each.quantile(0.5))),
            Text(_below(each.quantile(0.95))),
            Text(failed, "red"),
        )
    return table


def _below(seconds: float | None) -> str:
    return f"<{ago(seconds)}" if seconds is not None else ""


def _running(rows: Sequence[Operation], view: View, most: int) -> Table:
    table = _table(
        ("running", 22), ("age", 5), ("worker", 18), ("waits for", None), ("id", 8)
    )
    view.chosen = max(0, min(view.chosen, len(rows) - 1))
    first = max(0, view.chosen - most + 1)
    for number, call in enumerate(rows[first : first + most], first):
        table.add_row(
            Text(call.method),
            Text(ago(call.seconds)),
            Text(call.worker or ""),
            Text(call.step or ""),
            Text(call.operation_id[:8]),
            style="reverse" if number == view.chosen else "",
        )
    return table


def _one(call: Operation | None, wanted: str) -> list[RenderableType]:
    """Return all that is known of an operation."""
    if call is None:
        return [
            Text(f"operation {wanted} runs no more: `networker operation {wanted}`")
        ]
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name, value in described(call):
        facts.add_row(Text(name, style="bold"), Text(value))
    return [facts]


def described(call: Operation) -> list[tuple[str, str]]:
    """Return the fields of an operation with their names, for people."""
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(call.since))
    waited = ago(call.waited) if call.waited is not None else "not known"
    lines = [
        ("operation", call.operation_id),
        ("request", call.request_id or ""),
        ("method", call.method),
        ("load balancer", call.load_balancer or "none is named"),
        ("caller", call.caller or "it does not say"),
        ("worker", call.worker or ""),
        ("began", f"{began}, after waiting {waited}"),
        ("outcome", call.outcome or "it runs"),
        ("ran" if call.outcome else "runs for", ago(call.seconds)),
    ]
    if call.error:
        lines.append(("error", call.error))
    lines += [
        ("waits for", f"{each.request} for {ago(each.seconds)}, try {each.tries}")
        for each in call.waits_for
    ]
    lines += [
        (
            "has asked",
            f"{short(each.request, 60)} {each.status or 'no answer'} {ago(each.seconds)}",
        )
        for each in call.requests
    ]
    return lines


def _foot(view: View) -> Text:
    if view.typing:
        return _line(f"filter: {view.filter}_", "reverse")
    keys = _KEYS.format(sort=view.sort)
    return _line(f"{keys}   [{view.filter}]" if view.filter else keys, "dim")
