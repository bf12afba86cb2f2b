# SPDX-License-Identifier: Apache-2.0
"""Run operations of several tasks with TaskFlow, which reverts them on failure."""

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
from typing import Any, Generic, TypeVar

from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_log import log
from taskflow import engines, states
from taskflow.listeners import base as listeners
from taskflow.patterns import graph_flow, linear_flow
from taskflow.task import FunctorTask

from networker.context import Context, current, is_ours, require_time
from networker.exceptions import BusError, NetworkException
from networker.observer import Call, count

LOG = log.getLogger(__name__)
Result = TypeVar("Result")

#: Is told what takes back what is done next: a function and its arguments.
OnFailure = Callable[..., None]


@dataclasses.dataclass(frozen=True)
class Task:
    """One task of an operation; see :func:`task`."""

    execute: Callable[..., Any]
    name: str
    provides: str | None
    revert: Callable[[Any], None] | None
    rebind: Mapping[str, str] | None
    inject: Mapping[str, Any]


def task(
    execute: Callable[..., Any],
    *,
    name: str,
    provides: str | None = None,
    revert: Callable[[Any], None] | None = None,
    rebind: Mapping[str, str] | None = None,
    **inject: Any,
) -> Task:
    """Make a task of an operation out of a function.

    The function's arguments are what earlier tasks provide, and `inject`. It runs under
    the oslo.context of the thread that runs the operation.

    :param name: unique in the operation, for the log
    :param provides: under which name later tasks get the result
    :param revert: called with the result when a later task, or one of the same wave, fails;
        what goes wrong in it is logged and does not hide the first error. What a task did
        before it failed itself, it reverts itself: see :func:`reverting`.
    :param rebind: arguments that come from a result of another name: argument to name
    """
    return Task(execute, name, provides, revert, rebind, inject)


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
        self, name: str, *waves: Sequence[Task], timely: bool = False
    ) -> Mapping[str, Any]:
        """Run tasks in waves: those of a wave at the same time, the waves in order.

        Only a task that takes what another one of its wave provides waits for that one.
        A task must not run an operation itself: it would wait for the threads that it
        and others occupy.

        :param name: of the operation, for the log
        :param waves: tasks, see :func:`task`
        :param timely: whether to undo it all if the caller's deadline has passed at the
            end
        :returns: what the tasks provided, by name
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
    """Makes the engine's tasks, and knows whether they may still be reverted.

    :param caller: the context that tasks run in
    """

    def __init__(self, caller: oslo_context.RequestContext | None) -> None:
        self._caller = caller
        self._lock = threading.Lock()
        self._ours: bool | None = None
        self._done: set[str] = set()

    def task(self, one: Task) -> FunctorTask:
        """Return the engine's form of a task."""

        @functools.wraps(one.execute)
        def execute(*args: Any, **kwargs: Any) -> Any:
            with self._context():
                result = one.execute(*args, **kwargs)
            self._done.add(one.name)
            return result

        def revert(**outcome: Any) -> None:
            # The engine also reverts a task that became ready as another one failed, and
            # never ran. It gives None for the result, which a task may return as well.
            if one.revert is not None and one.name in self._done:
                with self._context():
                    if self._allowed():
                        revert_one(one.name, one.revert, outcome["result"])

        about = {"name": one.name, "provides": one.provides, "rebind": one.rebind}
        # Without `requires` what is injected would not reach a function's **kwargs.
        given = {"inject": one.inject, "requires": list(one.inject)}
        return FunctorTask(execute, revert=revert, **given, **about)

    def _context(self) -> contextlib.AbstractContextManager[None]:
        """Let this thread, which may be the caller's own, have the caller's context."""
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
    with without_deadline():
        try:
            function(*args)
        except NetworkException as error:
            LOG.error("undoing %s failed, what it did is left: %s", name, error)
            count("undo_failed")
        else:
            count("undone")


@contextlib.contextmanager
def reverting(name: str) -> Iterator[Callable[..., None]]:
    """Revert what a block did when it fails half-way.

    :param name: of what it does, for the log
    :returns: a function that takes a function and its arguments, to be called on failure
    """
    reverts: list[Callable[[], object]] = []

    def on_failure(function: Callable[..., object], *args: Any) -> None:
        reverts.append(functools.partial(function, *args))

    try:
        yield on_failure
    except NetworkException:
        if reverts and may_revert():
            for function in reversed(reverts):
                revert_one(name, function)
        raise


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


@dataclasses.dataclass(frozen=True)
class Done(Generic[Result]):
    """What something of several requests ended with.

    :param result: what it returned
    :param reverts: what takes it back, in the order in which it was done
    """

    name: str
    result: Result
    reverts: Sequence[Callable[[], object]]

    def revert(self) -> None:
        """Take it back; what goes wrong is logged."""
        for function in reversed(self.reverts):
            revert_one(self.name, function)


def revertible(name: str, call: Callable[[OnFailure], Result]) -> Done[Result]:
    """Do something, revert it if it fails half-way, and else return how to revert it later.

    :param name: of it, for the log
    :param call: is given a function to which it tells, with arguments, what takes back
        what it does next
    """
    reverts: list[Callable[[], object]] = []
    with reverting(name) as on_failure:

        def note(function: Callable[..., object], *args: object) -> None:
            on_failure(function, *args)
            reverts.append(functools.partial(function, *args))

        return Done(name, call(note), reverts)


#: What went wrong, by what it went wrong with.
Errors = dict[str, NetworkException]


def attempt(
    flows: Flows, name: str, calls: Mapping[str, Callable[[], object]]
) -> tuple[dict[str, Any], Errors]:
    """Make calls at the same time, and let none of them stop the others.

    :param calls: by what they are about, for the log and the errors
    :returns: the results of those that succeeded, and the errors of the others
    """

    def kept(about: str) -> object:
        try:
            return calls[about]()
        except BusError:
            # The request is another worker's by now: nothing may go on.
            raise
        except NetworkException as error:
            return _Failed(error)

    tasks = [
        task(kept, name=f"{name} {about}", provides=about, about=about)
        for about in calls
    ]
    done = flows.run(name, tasks) if tasks else {}
    results = {about: done[about] for about in calls}
    errors = {k: v.error for k, v in results.items() if isinstance(v, _Failed)}
    return {k: v for k, v in results.items() if k not in errors}, errors


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
