# SPDX-License-Identifier: Apache-2.0
"""How drivers run operations of several steps: with TaskFlow, and undone on failure."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from types import TracebackType
from typing import Any

from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_log import log
from taskflow import engines, states
from taskflow.listeners import base as listeners
from taskflow.patterns import graph_flow, linear_flow
from taskflow.task import FunctorTask

from networker.context import Context, current, is_ours
from networker.drivers.deadline import require_time
from networker.exceptions import NetworkException

LOG = log.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of an operation; see :func:`step`."""

    function: Callable[..., Any]
    name: str
    provides: str | None
    undo: Callable[[Any], None] | None
    takes: Mapping[str, str] | None
    given: Mapping[str, Any]


def step(
    function: Callable[..., Any],
    *,
    name: str,
    provides: str | None = None,
    undo: Callable[[Any], None] | None = None,
    takes: Mapping[str, str] | None = None,
    **given: Any,
) -> Step:
    """Make a step of an operation out of a function.

    The function's arguments are what earlier steps provide, and `given`. It runs under
    the oslo.context of the thread that runs the operation.

    :param name: unique in the operation, for the log
    :param provides: under which name later steps get the result
    :param undo: called with the result when a later step, or one of the same wave, fails;
        what goes wrong in it is logged and does not hide the first error. What a step did
        before it failed itself, it undoes itself: see :func:`undoing`.
    :param takes: arguments that come from a result of another name: argument to name
    """
    return Step(function, name, provides, undo, takes, given)


class Flows:
    """Runs operations with the engine that ``[taskflow]`` names.

    All operations share one pool of threads. It is made by the first one, so that an
    instance may be carried over a fork until then.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._executor: futures.ThreadPoolExecutor | None = None

    def run(
        self, name: str, *waves: Sequence[Step], timely: bool = False
    ) -> Mapping[str, Any]:
        """Run steps in waves: those of a wave at the same time, the waves in order.

        Only a step that takes what another one of its wave provides waits for that one.
        A step must not run an operation itself: it would wait for the threads that it
        and others occupy.

        :param name: of the operation, for the log
        :param waves: steps, see :func:`step`
        :param timely: whether to undo it all if the caller's deadline has passed at the
            end
        :returns: what the steps provided, by name
        :raises NetworkException: what a step raised, after all steps that were done are
            undone; other classes of errors pass through alike
        """
        rollback = _Rollback(oslo_context.get_current())
        flow = linear_flow.Flow(name)
        for number, wave in enumerate(waves):
            tasks = [rollback.task(one) for one in wave]
            flow.add(graph_flow.Flow(f"{name}/{number}").add(*tasks))
        if timely:
            flow.add(rollback.task(step(require_time, name="in time")))
        engine = engines.load(flow, **self._options())
        journal = _Journal(engine)
        with journal, _FirstError(journal):
            engine.run()
        results: Mapping[str, Any] = engine.storage.fetch_all()
        return results

    def close(self) -> None:
        """End the threads, after what they are doing; a later operation makes new ones."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown()

    def _options(self) -> dict[str, Any]:
        if self._conf.taskflow.engine == "serial":
            return {"engine": "serial"}
        with self._lock:
            if self._executor is None:
                self._executor = futures.ThreadPoolExecutor(
                    self._conf.taskflow.max_workers, thread_name_prefix="flow"
                )
            return {"engine": "parallel", "executor": self._executor}


class _Rollback:
    """Turns steps into tasks, and knows whether they may still be undone.

    :param caller: the context that steps run in
    """

    def __init__(self, caller: oslo_context.RequestContext | None) -> None:
        self._caller = caller
        self._lock = threading.Lock()
        self._ours: bool | None = None
        self._done: set[str] = set()

    def task(self, one: Step) -> FunctorTask:
        """Return the engine's form of a step."""

        @functools.wraps(one.function)
        def execute(*args: Any, **kwargs: Any) -> Any:
            with current(self._caller):
                result = one.function(*args, **kwargs)
            self._done.add(one.name)
            return result

        def revert(**outcome: Any) -> None:
            # The engine also reverts a step that became ready as another one failed, and
            # never ran. It gives None for the result, which a step may return as well.
            if one.undo is not None and one.name in self._done:
                with current(self._caller):
                    if self._allowed():
                        undo(one.name, one.undo, outcome["result"])

        about = {"name": one.name, "provides": one.provides, "rebind": one.takes}
        # Without `requires` what is given would not reach a function's **kwargs.
        given = {"inject": one.given, "requires": list(one.given)}
        return FunctorTask(execute, revert=revert, **given, **about)

    def _allowed(self) -> bool:
        """Tell whether the request is still this worker's; asked for only once."""
        with self._lock:
            if self._ours is None:
                self._ours = may_undo()
            return self._ours


class _Journal(listeners.Listener):  # type: ignore[misc]
    """Logs how long each step took, and keeps what went wrong."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self._since: dict[str, float] = {}
        self.errors: list[BaseException] = []

    def _task_receiver(self, state: str, details: Mapping[str, Any]) -> None:
        name = details["task_name"]
        if state in (states.RUNNING, states.REVERTING):
            self._since[name] = time.monotonic()
        elif state in listeners.FINISH_STATES:
            took = time.monotonic() - self._since.get(name, time.monotonic())
            LOG.debug("step %s: %s after %.3f s", name, state, took)
        if state == states.FAILURE:
            self.errors.append(details["result"].exception)
        if state == states.REVERT_FAILURE:
            LOG.error("step %s: undoing it failed: %s", name, details.get("result"))

    def _flow_receiver(self, state: str, details: Mapping[str, Any]) -> None:
        if state == states.REVERTED:
            LOG.warning("operation %s failed and was undone", details["flow_name"])


class _FirstError:
    """Turns the engine's error into that of the step that failed.

    A context manager can replace whatever the engine raises, errors of undoing included.
    """

    def __init__(self, journal: _Journal) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not isinstance(error, Exception):
            return
        # The sort is stable: the interface's errors first, else as they came.
        errors = sorted(
            self._journal.errors, key=lambda e: not isinstance(e, NetworkException)
        )
        for other in errors[1:]:
            LOG.warning("another step failed too: %s", other)
        if errors:
            raise errors[0] from errors[0].__cause__


def undo(name: str, function: Callable[..., object], *args: Any) -> None:
    """Undo one thing; what goes wrong in it is logged, so that others are undone too.

    :param name: of what is undone, for the log
    """
    LOG.warning("undoing %s", name)
    with without_deadline():
        try:
            function(*args)
        except NetworkException as error:
            LOG.error("undoing %s failed, what it did is left: %s", name, error)


@contextlib.contextmanager
def undoing(name: str) -> Iterator[Callable[..., None]]:
    """Undo what a block did when it fails half-way.

    :param name: of what it does, for the log
    :returns: a function that takes a function and its arguments, to be called on failure
    """
    undos: list[Callable[[], object]] = []

    def on_failure(function: Callable[..., object], *args: Any) -> None:
        undos.append(functools.partial(function, *args))

    try:
        yield on_failure
    except NetworkException:
        if undos and may_undo():
            for function in reversed(undos):
                undo(name, function)
        raise


def may_undo() -> bool:
    """Tell whether this worker may take back what it did.

    Where another worker has the request by now, what this one did is the other's.
    """
    if is_ours():
        return True
    LOG.warning("another worker has the request: nothing is undone")
    return False


def without_deadline() -> contextlib.AbstractContextManager[None]:
    """Let the thread undo things even though the caller's time is up."""
    context = oslo_context.get_current()
    if isinstance(context, Context) and context.deadline is not None:
        context = copy.copy(context)
        context.deadline = None
    return current(context)
