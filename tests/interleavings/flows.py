# SPDX-License-Identifier: Apache-2.0
"""Steps run one after the other, always in the same order.

TaskFlow's serial engine keeps what is ready in a set of objects that are ordered by where
they are in memory: the order of the tasks of a wave differs from run to run, and a schedule
could not be repeated. It also takes most of a call's time. This does what it does, in the
order in which tasks are given; a test compares the two.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from networker.context import require_time
from networker.drivers.flow import Task, may_revert, revert_one, task
from networker.exceptions import NetworkException


class SerialFlows:
    """Takes the place of :class:`networker.drivers.flow.Flows`.

    :param arguments: keeps what functions are called with, which takes long to ask for
    :param conf: is not looked at
    """

    def __init__(
        self, arguments: dict[Any, tuple[str, ...]], conf: object = None
    ) -> None:
        self._arguments = arguments

    def run(
        self, name: str, *waves: Sequence[Task], timely: bool = False
    ) -> Mapping[str, Any]:
        """Run tasks in waves, and revert all if one fails."""
        if timely:
            waves = (*waves, [task(require_time, name="in time")])
        results: dict[str, Any] = {}
        done: list[tuple[Task, Any]] = []
        for wave in waves:
            errors = self._wave(wave, results, done)
            if errors:
                _take_back(done)
                first = min(errors, key=lambda e: not isinstance(e, NetworkException))
                raise first from first.__cause__
        return results

    def close(self) -> None:
        """Do nothing."""

    def _wave(
        self,
        wave: Sequence[Task],
        results: dict[str, Any],
        done: list[tuple[Task, Any]],
    ) -> list[Exception]:
        """Run the tasks of a wave, and return what went wrong.

        Those that are ready at the same time are all run, even if one of them fails.
        """
        left = list(wave)
        while left:
            promised = {one.provides for one in left if one.provides}
            ready = [s for s in left if not promised & set(self._takes(s).values())]
            assert ready, "tasks wait for each other"
            errors: list[Exception] = []
            provided = {}
            for one in ready:
                taken = self._takes(one).items()
                known = {argument: results[source] for argument, source in taken}
                try:
                    result = one.execute(**known, **one.inject)
                except Exception as error:  # noqa: BLE001 - as an engine does
                    errors.append(error)
                else:
                    done.append((one, result))
                    if one.provides:
                        provided[one.provides] = result
            results |= provided
            if errors:
                return errors
            left = [one for one in left if one not in ready]
        return []

    def _takes(self, one: Task) -> Mapping[str, str]:
        """Return the results that a task is called with: argument to name."""
        function = getattr(one.execute, "__func__", one.execute)
        code = getattr(function, "__code__", None)
        names = self._arguments.get(code) if code else None
        if names is None:
            names = _required(one.execute)
            if code:
                self._arguments[code] = names
        takes = dict(one.rebind or {})
        sources = {name: takes.pop(name, name) for name in names}
        sources |= takes
        return {a: s for a, s in sources.items() if a not in one.inject}


def _required(function: Any) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return tuple(
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind not in kinds
    )


def _take_back(done: Sequence[tuple[Task, Any]]) -> None:
    reverts = [(one, result) for one, result in done if one.revert is not None]
    if reverts and may_revert():
        for one, result in reversed(reverts):
            assert one.revert is not None
            revert_one(one.name, one.revert, result)
