# SPDX-License-Identifier: Apache-2.0
"""Run operations of several tasks with TaskFlow, which reverts them on failure."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_log import log
from taskflow import engines, states
from taskflow.listeners import base as listeners
from taskflow.patterns import graph_flow, linear_flow
from taskflow.task import FunctorTask

from networker.context import Context, current, is_ours, require_time, step
from networker.exceptions import BusError, NetworkException
from networker.observer import Call, count

LOG = log.getLogger(__name__)
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class OnFailure:
    """What takes back what a block did, if the block or something later fails.

    In the block it is called with a function and its arguments, before or right after what
    they take back is done.

    :param name: of what the block does, for the log
    :param outer: of what the block is a part of, which takes it all back when the block
        has succeeded
    """

    def __init__(self, name: str, outer: OnFailure | None = None) -> None:
        self._name = name
        self._outer = outer
        self._noted: list[Callable[[], object]] = []

    def __call__(self, function: Callable[..., object], *args: object) -> None:
        """Note a function that takes something back, and its arguments."""
        self._noted.append(functools.partial(function, *args))

    def __bool__(self) -> bool:
        """Tell whether there is anything to take back."""
        return bool(self._noted)

    def __enter__(self) -> Self:
        """Begin the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take back what the block did if it failed, unless the process is to end."""
        if error is None and self._outer is not None:
            self.hand_over(self._outer)
        if isinstance(error, Exception) and self._noted and may_revert():
            self.revert()

    def hand_over(self, outer: OnFailure) -> None:
        """Leave it to what this was a part of to take it all back."""
        outer._noted += self._noted

    def revert(self) -> None:
        """Take it all back, the last first; what goes wrong is logged."""
        for function in reversed(self._noted):
            revert_one(self._name, function)


@dataclasses.dataclass(frozen=True, eq=False)
class Task(Generic[Result_co]):
    """One task of an operation; see :func:`task`."""

    execute: Callable[..., Result_co]
    name: str
    revert: Callable[[Any], object] | None
    reverts_itself: bool
    given: Mapping[str, Any]

    def run(self, arguments: Mapping[str, Any], outer: OnFailure) -> Result_co:
        """Run the function, and revert what it did if it fails half-way.

        :param arguments: values and results of other tasks
        :param outer: is told what takes it back later
        """
        with OnFailure(self.name, outer) as on_failure:
            noting = {"on_failure": on_failure} if self.reverts_itself else {}
            result = self.execute(**arguments, **noting)
            if self.revert:
                on_failure(self.revert, result)
        return result

    @property
    def takes(self) -> dict[str, str]:
        """The tasks whose results it takes: argument to name."""
        return {k: one.name for k, one in self.given.items() if isinstance(one, Task)}

    @property
    def values(self) -> dict[str, Any]:
        """The arguments that are known before any task runs."""
        return {k: v for k, v in self.given.items() if not isinstance(v, Task)}


def task(
    execute: Callable[..., Result],
    *,
    name: str,
    revert: Callable[[Result], object] | None = None,
    reverts_itself: bool = False,
    **given: Any,
) -> Task[Result]:
    """Make a task of an operation out of a function.

    It runs under the oslo.context of the thread that runs the operation.

    :param name: unique in the operation, for the log
    :param revert: called with the result when a later task, or one of the same wave, fails;
        what goes wrong in it is logged and does not hide the first error
    :param reverts_itself: whether the function takes an argument `on_failure`, an
        :class:`OnFailure`, to tell it what takes back what it did, also half-way
    :param given: the function's arguments: values, and tasks of which it takes the results
    """
    return Task(execute, name, revert, reverts_itself, given)


class Results:
    """What the tasks of an operation returned.

    :param by_name: of the tasks
    """

    def __init__(self, by_name: Mapping[str, Any]) -> None:
        self._by_name = by_name

    def __getitem__(self, one: Task[Result]) -> Result:
        """Return the result of a task."""
        result: Result = self._by_name[one.name]
        return result


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
        self,
        name: str,
        *waves: Sequence[Task[Any]],
        timely: bool = False,
        on_failure: OnFailure | None = None,
    ) -> Results:
        """Run tasks in waves: those of a wave at the same time, the waves in order.

        Only a task that takes the result of another one of its wave waits for that one.
        A task must not run an operation itself: it would wait for the threads that it
        and others occupy.

        :param name: of the operation, for the log
        :param waves: tasks, see :func:`task`
        :param timely: whether to undo it all if the caller's deadline has passed at the
            end
        :param on_failure: is told what takes it all back later
        :returns: what the tasks returned
        :raises NetworkException: what a task raised, after all tasks that were done are
            reverted; other classes of errors pass through alike
        """
        caller = oslo_context.get_current()
        rollback = _Rollback(caller)
        flow = linear_flow.Flow(name)
        for number, wave in enumerate(waves):
            tasks = [rollback.task(one) for one in wave]
            flow.add(graph_flow.Flow(f"{name}/{number}").add(*tasks))
        if timely:
            flow.add(rollback.task(task(require_time, name="in time")))
        engine = engines.load(flow, **self._options())
        journal = _Journal(engine, getattr(caller, "call", None))
        if journal.call:
            journal.call.observer.count("flow")
            journal.call.observer.count("wave", len(waves))
        with journal, _FirstError(journal):
            engine.run()
        if on_failure is not None:
            rollback.hand_over(on_failure)
        return Results(engine.storage.fetch_all())

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
    """Makes the engine's tasks, and knows whether they may still be reverted.

    :param caller: the context that tasks run in
    """

    def __init__(self, caller: oslo_context.RequestContext | None) -> None:
        self._caller = caller
        self._tasks: list[OnFailure] = []
        self._lock = threading.Lock()
        self._ours: bool | None = None

    def task(self, one: Task[Any]) -> FunctorTask:
        """Return the engine's form of a task."""
        on_failure = OnFailure(one.name)
        self._tasks.append(on_failure)

        def execute(**arguments: Any) -> Any:
            with self._context(f"task {one.name}"):
                return one.run(arguments, on_failure)

        def revert(**_: Any) -> None:
            # The engine also reverts a task that became ready as another one failed, and
            # never ran.
            if on_failure:
                with self._context():
                    if self._allowed():
                        on_failure.revert()

        about = {"name": one.name, "provides": one.name, "rebind": one.takes}
        given = one.values
        # Without `requires` what is injected would not reach the function.
        return FunctorTask(
            execute, revert=revert, inject=given, requires=list(given), **about
        )

    def hand_over(self, outer: OnFailure) -> None:
        """Leave it to what the operation was a part of to take back what tasks did."""
        for one in self._tasks:
            one.hand_over(outer)

    def _context(self, span: str = "") -> contextlib.AbstractContextManager[None]:
        """Let this thread, which may be the caller's own, have the caller's context.

        :param span: what it does in it, where that is traced
        """
        if span and getattr(self._caller, "span", None):
            return step(span, self._caller)
        if oslo_context.get_current() is self._caller:
            return contextlib.nullcontext()
        return current(self._caller)

    def _allowed(self) -> bool:
        """Tell whether the request is still this worker's; asked for only once."""
        with self._lock:
            if self._ours is None:
                self._ours = may_revert()
            return self._ours


class _Journal(listeners.Listener):  # type: ignore[misc]
    """Logs how long each task took, and keeps what went wrong.

    :param call: that runs the tasks, if it is observed
    """

    def __init__(self, engine: Any, call: Call | None) -> None:
        super().__init__(engine)
        self.call = call
        self._since: dict[str, float] = {}
        self.errors: list[BaseException] = []

    def _task_receiver(self, state: str, details: Mapping[str, Any]) -> None:
        name = details["task_name"]
        if state in (states.RUNNING, states.REVERTING):
            self._since[name] = time.monotonic()
        elif state in listeners.FINISH_STATES:
            took = time.monotonic() - self._since.get(name, time.monotonic())
            LOG.debug("step %s: %s after %.3f s", name, state, took)
            if self.call:
                self.call.observer.task(state)
        if state == states.FAILURE:
            self.errors.append(details["result"].exception)
        if state == states.REVERT_FAILURE:
            LOG.error("step %s: undoing it failed: %s", name, details.get("result"))

    def _flow_receiver(self, state: str, details: Mapping[str, Any]) -> None:
        if state == states.REVERTED:
            LOG.warning("operation %s failed and was undone", details["flow_name"])


class _FirstError:
    """Turns the engine's error into that of the task that failed.

    A context manager can replace whatever the engine raises, errors of reverting included.
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


def revert_one(name: str, function: Callable[..., object], *args: Any) -> None:
    """Revert one thing; what goes wrong in it is logged, so that others are reverted too.

    :param name: of what is reverted, for the log
    """
    LOG.warning("undoing %s", name)
    with step(f"undo {name}"), without_deadline():
        try:
            function(*args)
        except NetworkException as error:
            LOG.error("undoing %s failed, what it did is left: %s", name, error)
            count("undo_failed")
        else:
            count("undone")


def may_revert() -> bool:
    """Tell whether this worker may take back what it did.

    Where another worker has the request by now, what this one did is the other's.
    """
    if is_ours():
        return True
    LOG.warning("another worker has the request: nothing is undone")
    return False


def without_deadline() -> contextlib.AbstractContextManager[None]:
    """Let the thread revert things even though the caller's time is up."""
    context = oslo_context.get_current()
    if isinstance(context, Context) and context.deadline is not None:
        context = copy.copy(context)
        context.deadline = None
    return current(context)


#: What went wrong, by what it went wrong with.
Errors = dict[str, NetworkException]


def attempt(
    flows: Flows, name: str, calls: Mapping[str, Callable[[], Result]]
) -> tuple[dict[str, Result], Errors]:
    """Make calls at the same time, and let none of them stop the others.

    :param calls: by what they are about, for the log and the errors
    :returns: the results of those that succeeded, and the errors of the others
    """

    def kept(call: Callable[[], Result]) -> Result | _Failed:
        try:
            return call()
        except BusError:
            # The request is another worker's by now: nothing may go on.
            raise
        except NetworkException as error:
            return _Failed(error)

    tasks = {
        about: task(kept, name=f"{name} {about}", call=call)
        for about, call in calls.items()
    }
    if not tasks:
        return {}, {}
    done = flows.run(name, list(tasks.values()))
    results = {about: done[one] for about, one in tasks.items()}
    errors = {k: v.error for k, v in results.items() if isinstance(v, _Failed)}
    return {k: v for k, v in results.items() if not isinstance(v, _Failed)}, errors


class _Failed:
    """What a call raised."""

    def __init__(self, error: NetworkException) -> None:
        self.error = error


def raise_all(*errors: Errors) -> None:
    """Raise what went wrong as one error that names everything that it is about.

    :raises NetworkException: the first error, with the texts of all
    """
    found = [(about, error) for one in errors for about, error in one.items()]
    if found:
        first = found[0][1]
        texts = [f"{about}: {error.orig_msg or error}" for about, error in found]
        said = {**first.attributes(), "orig_msg": "; ".join(texts)}
        raise type(first)(**said) from first
