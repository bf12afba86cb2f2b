# SPDX-License-Identifier: Apache-2.0
"""Steps run one after the other, always in the same order.

TaskFlow's serial engine keeps what is ready in a set of objects that are ordered by where
they are in memory: the order of the tasks of a wave differs from run to run, and a schedule
could not be repeated. It also takes most of a call's time. This does what it does, in the
order in which tasks are given; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from networker.context import require_time
from networker.drivers.flow import OnFailure, Results, Task, may_revert, task
from networker.exceptions import NetworkException


class SerialFlows:
    """Takes the place of :class:`networker.drivers.flow.Flows`.

    :param conf: is not looked at
    """

    def __init__(self, conf: object = None) -> None:
        pass

    def run(
        self,
        name: str,
        *waves: Sequence[Task[Any]],
        timely: bool = False,
        on_failure: OnFailure | None = None,
    ) -> Results:
        """Run tasks in waves, and revert all if one fails."""
        if timely:
            waves = (*waves, [task(require_time, name="in time")])
        results: dict[str, Any] = {}
        done: list[OnFailure] = []
        for wave in waves:
            errors = _run(wave, results, done)
            if errors:
                _take_back(done)
                first = min(errors, key=lambda e: not isinstance(e, NetworkException))
                raise first from first.__cause__
        if on_failure is not None:
            for one in done:
                one.hand_over(on_failure)
        return Results(results)

    def close(self) -> None:
        """Do nothing."""


def _run(
    wave: Sequence[Task[Any]], results: dict[str, Any], done: list[OnFailure]
) -> list[Exception]:
    """Run the tasks of a wave, and return what went wrong.

    Those that are ready at the same time are all run, even if one of them fails.
    """
    left = list(wave)
    while left:
        promised = {one.name for one in left}
        ready = [one for one in left if not promised & set(one.takes.values())]
        assert ready, "tasks wait for each other"
        errors: list[Exception] = []
        returned = {}
        for one in ready:
            known = {argument: results[name] for argument, name in one.takes.items()}
            done.append(OnFailure(one.name))
            try:
                returned[one.name] = one.run(known | one.values, done[-1])
            except Exception as error:  # noqa: BLE001 - as an engine does
                errors.append(error)
        results |= returned
        if errors:
            return errors
        left = [one for one in left if one not in ready]
    return []


def _take_back(done: Sequence[OnFailure]) -> None:
    reverts = [one for one in done if one]
    if reverts and may_revert():
        for one in reversed(reverts):
            one.revert()
