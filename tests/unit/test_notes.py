# SPDX-License-Identifier: Apache-2.0
"""What a worker process notes, and what it answers who asks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import pytest

from networker import exceptions, reports
from networker.context import Context, asking
from networker.notes import Notes, SharedNotes
from networker.observer import Call
from networker.reporter import Question, Reporter

TEXT = "é" * 300


def call(notes: Notes, method: str = "plug_vip", **ids: Any) -> Call:
    """Return a call that has begun."""
    context = Context(request_id="req-1", caller="ctl:octavia:1", **ids)
    context.sent = time.time() - 2
    made = Call(notes, method, context)
    context.call = made
    notes.begun(made)
    with context.entered():
        request = asking("network", "GET", "/ports/7")
        request.tries, request.status = 1, 200
    request.tried()
    return made


def reporter(notes: Notes, shared: SharedNotes | None = None) -> Reporter:
    """Return one of a worker that serves."""
    facts = {"threads": 4, "driver": "sandbox", "host": "net1"}
    warning = shared.warning() if shared else None
    condition = {"draining": False, "bus": None, "warning": warning}
    return Reporter(notes, lambda: condition, facts, shared)


def told(one: Reporter, **question: object) -> reports.Worker:
    """Return the answer to a question, as the asker reads it."""
    answer = one.answer(Question(**question))  # type: ignore[arg-type]
    text = msgspec.json.encode(answer)
    return msgspec.json.decode(text, type=reports.Worker)


def test_a_call_is_told_while_it_runs_and_when_it_has_ended():
    """With what it waits for, what it has asked, and how it ended."""
    notes = Notes()
    made, one = call(notes, operation_id="op-1"), reporter(notes)
    worker = told(one)
    (running,) = worker.running
    assert (worker.busy, worker.threads, worker.name) == (1, 4, f"net1:{os.getpid()}")
    assert running.step == "network: GET /ports/7"
    assert running.requests[0].status == 200
    assert running.waited is not None
    assert 2 <= running.waited < 60
    assert worker.longest_wait == pytest.approx(running.waited)
    assert worker.cloud_answered_seconds_ago is not None
    made.error = "no\nport"
    notes.ended(made, exceptions.PlugVIPException, 0.3)
    worker = told(one, recent=5)
    assert worker.running == ()
    (ended,) = worker.recent
    assert (ended.outcome, ended.error) == ("PlugVIPException", r"no\nport")
    assert ended.requests == ()
    (counted,) = worker.calls
    assert (counted.ended, counted.errors) == (1, {"PlugVIPException": 1})
    assert counted.quantile(0.5) == 0.5
    assert worker.last_error is not None
    assert worker.last_error.operation_id == "op-1"
    for wanted in ("op-1", "req-1"):
        (found,) = told(one, recent=5, operation=wanted).recent
        assert found.requests[0].request == "network: GET /ports/7"
    assert told(one, recent=5, operation="op-2").recent == ()


def test_what_is_told_is_bounded():
    """However much has run and runs, and whoever asks for more."""
    notes = Notes()
    for number in range(500):
        notes.ended(call(notes, operation_id=f"op-{number}"), None, 0.1)
    for _ in range(300):
        call(notes)
    one = reporter(notes)
    worker = told(one, recent=10**9)
    assert worker.busy == 300
    assert len(worker.running) == 100
    assert len(worker.recent) == 200
    assert worker.recent[0].operation_id == "op-499"
    assert len(msgspec.json.encode(one.answer(Question(recent=500)))) < 2**18


def test_only_who_is_meant_answers():
    """A question can be for one process."""
    one = reporter(Notes())
    assert one.answer(Question(by="net1:1")) is None
    assert one.answer(Question(by=f"net1:{os.getpid()}"))


@pytest.fixture
def shares() -> Iterator[Callable[[int, int], SharedNotes]]:
    """Make shared notes, and close them at the end."""
    made: list[SharedNotes] = []

    def make(workers: int, calls: int) -> SharedNotes:
        made.append(SharedNotes(workers, calls))
        return made[-1]

    yield make
    for each in made:
        each.close()


def _work(shared: SharedNotes, pipe: Connection) -> None:
    part = shared.claim()
    assert part
    notes = Notes(part)
    made = call(notes, operation_id=TEXT)
    made.load_balancer = "lb-7"
    notes.named(made)
    notes.ended(call(notes, operation_id="over"), None, 0.1)
    pipe.send(os.getpid())
    for can_be_asked in (True, False, True):
        pipe.recv()
        part.answering(now=can_be_asked)
        pipe.send("done")
    pipe.recv()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_others_tell_what_a_process_is_in(shares):
    """While it lives and could be asked, whether or not it moves."""
    shared, fork = shares(1, 3), multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    worker = fork.Process(target=_work, args=(shared, theirs))
    worker.start()
    pid = ours.recv()
    assert shared.claim()
    one = reporter(Notes(), shared)
    assert told(one).siblings == ()
    for known in ((pid,), (), (pid,)):
        ours.send("go on")
        ours.recv()
        assert told(one).siblings == known
    answer = one.answer(Question(by=f"net1:{os.getpid()}", others=[pid, 1]))
    assert answer
    (others,) = answer["others"]
    (running,) = others["running"]
    assert (others["pid"], running["method"]) == (pid, "plug_vip")
    assert running["load_balancer"] == "lb-7"
    assert running["operation_id"] == TEXT[:120]
    assert running["waits_for"] == [{"request": "network: GET /ports/7", "tries": 1}]
    ours.send("end")
    worker.join(30)
    assert told(one).siblings == ()
    assert shared.read([pid]) == []


def test_what_the_parent_has_to_say(shares):
    """All workers tell it, and nothing else is harmed."""
    shared = shares(1, 2)
    assert told(reporter(Notes(), shared)).warning is None
    shared.warn("reload refused: " + 900 * "x")
    warning = told(reporter(Notes(shared.claim()), shared)).warning
    assert warning is not None
    assert warning.text.startswith("reload refused: xxx")
    assert len(warning.text) == 500


def test_more_calls_than_places(shares):
    """They run, and are not shared."""
    part = shares(1, 2).claim()
    notes = Notes(part)
    made = [call(notes) for _ in range(4)]
    assert [each.slot is None for each in made] == [False, False, True, True]
    for each in made:
        notes.ended(each, None, 0.1)
    assert call(notes).slot is not None


def die_in(shared: SharedNotes, *operations: str) -> None:
    """Run a worker process that is killed while it runs operations."""

    def work() -> None:
        notes = Notes(shared.claim())
        for each in operations:
            call(notes, operation_id=each)
        notes.ended(call(notes, operation_id="ended"), None, 0.1)
        os.kill(os.getpid(), signal.SIGKILL)

    worker = multiprocessing.get_context("fork").Process(target=work)
    worker.start()
    worker.join(30)
    assert worker.exitcode == -signal.SIGKILL


def test_who_comes_after_a_worker_that_died_knows_what_it_was_in():
    """Each time counts; what had ended does not; a part is looked at when it is taken."""
    shared = SharedNotes(1, 4)
    die_in(shared, "op-1", "op-2")
    die_in(shared, "op-2")
    notes = Notes(shared.claim())
    deaths = {name: notes.deaths(name) for name in ("op-1", "op-2", "ended", "other")}
    assert deaths == {"op-1": 1, "op-2": 2, "ended": 0, "other": 0}
    assert Notes().deaths("op-1") == 0
    shared.close()


def test_only_the_latest_deaths_are_known():
    """What workers were in long ago makes room."""
    shared = SharedNotes(1, 4)
    for number in range(60):
        die_in(shared, f"{number:036}", "x" * 36)
    notes = Notes(shared.claim())
    assert notes.deaths("x" * 36) == 60
    assert notes.deaths(f"{59:036}") == 1
    assert notes.deaths(f"{0:036}") == 0
    shared.close()
