# SPDX-License-Identifier: Apache-2.0
"""Operations of several steps: order, results, undoing, threads."""

from __future__ import annotations

import contextlib
import logging
import threading
import time

import pytest
from oslo_config import cfg
from oslo_context import context as oslo_context

from networker import conf as networker_conf
from networker import exceptions
from networker.context import Context
from networker.drivers.flow import Flows, OnFailure, task


def made(engine):
    conf = networker_conf.register(cfg.ConfigOpts())
    conf([], project="test", default_config_files=[])
    conf.set_override("engine", engine, "taskflow")
    return Flows(conf)


@pytest.fixture(params=["parallel", "serial"])
def flows(request):
    """Both engines, which have to behave alike."""
    flows = made(request.param)
    yield flows
    flows.close()


@pytest.fixture
def parallel():
    """The engine that runs a wave at the same time."""
    flows = made("parallel")
    yield flows
    flows.close()


def failing(error):
    def fail():
        raise error

    return task(fail, name=f"fail {error!r}")


def test_what_is_given_reaches_functions_that_take_anything(flows):
    """A query of which the filters got lost would select everything."""

    def query(**filters):
        return filters

    servers = task(query, name="servers", device_id=["a"], network_id="n")
    known = task(query, name="known", id=["b"])
    done = flows.run("look", [servers, known])
    assert done[servers] == {"device_id": ["a"], "network_id": "n"}
    assert done[known] == {"id": ["b"]}


def test_a_step_waits_for_what_it_takes_and_not_for_the_rest_of_its_wave(parallel):
    """What takes long can begin while another step of the wave is still running."""
    begun = threading.Event()

    def attach(port):
        begun.set()
        return port

    rules = task(lambda: begun.wait(10), name="rules")
    claim = task(lambda: "port", name="claim")
    attached = task(attach, name="attach", port=claim)
    done = parallel.run("plug", [rules, attached, claim])
    assert (done[attached], done[rules]) == ("port", True)


def test_results_reach_later_steps(flows):
    """A step takes values, and what other steps returned."""
    one, two = task(lambda: 1, name="one"), task(lambda: 2, name="two")

    def add(first, **others):
        return first + sum(others.values())

    total = task(add, name="sum", first=one, second=two, third=3)
    assert flows.run("sum", [one, two], [total])[total] == 6


def test_failure_undoes_what_was_done_in_reverse(flows):
    """Steps that were done are undone with their results, the last first."""
    undone: list[object] = []
    with pytest.raises(exceptions.PlugVIPException, match="no"):
        flows.run(
            "operation",
            [task(lambda: "a", name="a", revert=undone.append)],
            [task(lambda: "b", name="b", revert=undone.append)],
            [failing(exceptions.PlugVIPException("no"))],
            [task(lambda: "never", name="c", revert=undone.append)],
        )
    assert undone == ["b", "a"]


def test_what_never_ran_is_not_undone(flows):
    """The engine asks so when a step failed as another one became ready.

    Many pairs, and several rounds: in which order the engine looks at steps that ended at
    the same time is its own.
    """
    done: list[object] = []
    undone: list[object] = []

    def do(what):
        done.append(what)
        return what

    def settle(port):
        return do(f"settled {port}")

    def fail():
        raise exceptions.PlugVIPException("no")

    wave = [task(fail, name="fail")]
    for number in range(8):
        port, undo = f"port {number}", undone.append
        claim = task(do, name=f"claim {port}", revert=undo, what=port)
        wave += [
            claim,
            task(settle, name=f"settle {port}", revert=undo, port=claim),
        ]
    for _ in range(10):
        done.clear()
        undone.clear()
        with pytest.raises(exceptions.PlugVIPException):
            flows.run("plug", wave)
        assert sorted(map(str, undone)) == sorted(map(str, done))


def test_the_interfaces_error_comes_before_others(parallel, caplog):
    """Of several errors in a wave the interface's is raised, and others are logged."""
    ready = threading.Barrier(2, timeout=5)

    def fail(error):
        ready.wait()
        raise error

    errors = [OSError("disk"), exceptions.AmphoraNotFound(compute_id="x")]
    steps = [task(fail, name=repr(error), error=error) for error in errors]
    with pytest.raises(exceptions.AmphoraNotFound):
        parallel.run("operation", steps)
    assert "another step failed too: disk" in caplog.text


@pytest.mark.parametrize(
    "trouble", [exceptions.NetworkException("left"), KeyError("x")]
)
def test_trouble_while_undoing_does_not_hide_the_first_error(flows, caplog, trouble):
    """The first error is raised, the trouble is logged, and the rest is undone."""
    undone: list[object] = []

    def undo(result):
        raise trouble

    with pytest.raises(exceptions.PlugVIPException):
        flows.run(
            "operation",
            [task(lambda: "a", name="first", revert=undone.append)],
            [task(lambda: "b", name="second", revert=undo)],
            [failing(exceptions.PlugVIPException("no"))],
        )
    assert "second" in caplog.text
    assert str(trouble) in caplog.text
    if isinstance(trouble, exceptions.NetworkException):
        assert undone == ["a"]


def test_steps_run_in_the_callers_context(flows):
    """Each step sees the context of its caller, also after another caller's steps."""
    seen = []

    def look():
        seen.append(getattr(oslo_context.get_current(), "request_id", None))

    for request_id in ("req-1", "req-2"):
        Context(request_id=request_id).update_store()
        flows.run("operation", [task(look, name="look")])
    assert seen == ["req-1", "req-2"]


def test_undoing_has_no_deadline(flows):
    """What a caller in a hurry left is undone without haste, and then haste is back."""
    context = Context(deadline=time.time() - 1)
    context.update_store()
    deadlines = []

    def undo(result):
        deadlines.append(getattr(oslo_context.get_current(), "deadline", "unknown"))

    with pytest.raises(exceptions.CloudUnavailable):
        flows.run(
            "operation",
            [task(lambda: None, name="a", revert=undo)],
            [failing(exceptions.CloudUnavailable(orig_msg="late"))],
        )
    assert deadlines == [None]
    assert oslo_context.get_current() is context


def test_a_wave_runs_at_the_same_time(parallel):
    """With the parallel engine the steps of a wave meet each other."""
    meeting = threading.Barrier(3, timeout=5)
    steps = [task(meeting.wait, name=str(n)) for n in range(3)]
    done = parallel.run("operation", steps)
    assert sorted(done[one] for one in steps) == [0, 1, 2]


def test_closing_ends_the_threads(parallel):
    """After closing no thread is left, and an operation makes new ones."""
    before = set(threading.enumerate())
    for _ in range(2):
        parallel.run("operation", [task(lambda: None, name="a")])
        parallel.close()
        assert set(threading.enumerate()) <= before


def test_each_step_is_logged_with_its_time(flows, caplog):
    """The debug log has a line for each step."""
    with caplog.at_level(logging.DEBUG, "networker.drivers.flow"):
        flows.run("operation", [task(lambda: None, name="the step")])
    (line,) = [r.message for r in caplog.records if "the step" in r.message]
    assert "SUCCESS" in line
    assert line.endswith(" s")


def test_a_block_is_undone_when_it_fails():
    """What a block registered is called in reverse order, on failure only."""
    undone: list[object] = []
    with OnFailure("block") as on_failure:
        on_failure(undone.append, "kept")
    with pytest.raises(exceptions.NetworkException, match="no"):
        _fail_half_way(undone)
    assert undone == [2, 1]


def _fail_half_way(undone):
    with OnFailure("block") as on_failure:
        on_failure(undone.append, 1)
        on_failure(undone.append, 2)
        raise exceptions.NetworkException("no")


def test_what_a_part_did_is_undone_with_the_whole():
    """A block that succeeds leaves it to what it is a part of; one that fails does not."""
    undone: list[object] = []

    def part(outer, what, error=None):
        with OnFailure(what, outer) as on_failure:
            on_failure(undone.append, what)
            if error:
                raise error

    def whole():
        with OnFailure("whole") as on_failure:
            on_failure(undone.append, "first")
            part(on_failure, "second")
            with contextlib.suppress(exceptions.NetworkException):
                part(on_failure, "failing", exceptions.NetworkException("no"))
            part(on_failure, "third", KeyError())

    with pytest.raises(KeyError):
        whole()
    assert undone == ["failing", "third", "second", "first"]


def test_a_step_undoes_itself(flows):
    """What a step told is undone when it fails half-way, and when a later one does."""
    undone: list[object] = []

    def act(on_failure, fails):
        on_failure(undone.append, fails)
        if fails:
            raise exceptions.PlugVIPException("no")

    for fails in (False, True):
        undone.clear()
        act_on = task(act, name="act", reverts_itself=True, fails=fails)
        with pytest.raises(exceptions.PlugVIPException):
            flows.run("whole", [act_on], [failing(exceptions.PlugVIPException("no"))])
        assert undone == [fails]


def test_what_an_operation_did_can_be_undone_later(flows):
    """An operation that is part of a block is undone with it, the last step first."""
    undone: list[object] = []
    steps = [task(str, name=n, revert=undone.append, object=n) for n in ("a", "b")]
    on_failure = OnFailure("block")
    flows.run("operation", *([one] for one in steps), on_failure=on_failure)
    assert undone == []
    on_failure.revert()
    assert undone == ["b", "a"]


def test_what_ends_after_the_deadline_is_undone(flows):
    """An operation that has to be timely is undone when its last step ends too late."""
    undone: list[object] = []
    work = [task(lambda: "a", name="a", revert=undone.append)]
    with Context(deadline=time.time() - 1).entered():
        flows.run("operation", work)
        assert undone == []
        with pytest.raises(exceptions.CloudUnavailable, match="deadline"):
            flows.run("operation", work, timely=True)
    assert undone == ["a"]


def test_nothing_is_undone_that_another_worker_has(flows):
    """Whether the request is still this worker's is asked once, and decides."""
    undone: list[object] = []
    asked = []

    def lost():
        asked.append(1)
        return False

    with (
        Context(lease=lost).entered(),
        pytest.raises(exceptions.PlugVIPException),
    ):
        flows.run(
            "operation",
            [task(lambda: "a", name="a", revert=undone.append)],
            [task(lambda: "b", name="b", revert=undone.append)],
            [failing(exceptions.PlugVIPException("no"))],
        )
    assert (undone, len(asked)) == ([], 1)
