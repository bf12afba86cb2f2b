# SPDX-License-Identifier: Apache-2.0
"""What a worker process answers when the pool is asked, see :mod:`networker.inquiry`."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from networker._types import known
from networker.notes import Notes, SharedNotes, is_meant

#: Operations and requests to the cloud that one answer has at most.
_RUNNING, _WAITING, _RECENT = 100, 10, 200
#: Other workers of which one answer tells at most.
_OTHERS = 32


@known
class Question(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What can be asked of workers.

    :param recent: how many operations that have ended are to be told
    :param operation: an operation or request id, if only what has it is to be told
    :param by: who is to answer; everybody if None
    :param others: process ids; what these have noted is to be told, and nothing else
    """

    recent: int = 0
    operation: str | None = None
    by: str | None = None
    others: list[int] | None = None


class Reporter:
    """Answers what this process does. It reads, and changes nothing.

    :param notes: what there is to tell
    :param condition: returns how the worker is, as :class:`networker.service.Worker` knows
    :param facts: what does not change, as :class:`networker.reports.Worker` has it
    :param shared: what the workers beside this one have noted
    """

    def __init__(
        self,
        notes: Notes,
        condition: Callable[[], dict[str, Any]],
        facts: Mapping[str, Any],
        shared: SharedNotes | None = None,
    ) -> None:
        self._notes = notes
        self._condition = condition
        mine = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
        self._facts = {**mine, **facts}
        self._name = f"{self._facts['host']}:{self._facts['pid']}"
        self._shared = shared
        #: Returns why the cloud counts as not reachable; None where nobody looks.
        self.cloud: Callable[[], str | None] = lambda: None

    def answer(self, question: Question) -> dict[str, Any] | None:
        """Return the answer to a question; None if it is not for this process."""
        if question.by is not None and question.by != self._name:
            return None
        if question.others is not None:
            others = question.others[:_OTHERS]
            told = self._shared.read(others) if self._shared else []
            return {"host": self._facts["host"], "others": told}
        return self.state(question.recent, question.operation)

    def state(self, recent: int = 0, operation: str | None = None) -> dict[str, Any]:
        """Return what there is to know, as :class:`networker.reports.Worker` has it.

        :param recent: see :class:`Question`
        :param operation: see :class:`Question`
        """
        notes, running = self._notes, self._notes.running
        answered = notes.answered
        chosen = sorted(running, key=lambda call: call.since)
        if operation is not None:
            chosen = [call for call in chosen if is_meant(call, operation)]
        ended = notes.recent(min(recent, _RECENT), operation)
        if operation is None:  # each has many
            ended = [{**each, "requests": []} for each in ended]
        return {
            **self._facts,
            **self._condition(),
            "busy": len(running),
            "cloud": self.cloud(),
            "cloud_answered_seconds_ago": answered and time.monotonic() - answered,
            "last_error": notes.last_error(),
            "running": [_running(call) for call in chosen[:_RUNNING]],
            "calls": notes.calls(),
            "longest_wait": notes.longest_wait(),
            "recent": ended,
            "siblings": self._shared.others() if self._shared else [],
        }


def _running(call: Any) -> dict[str, Any]:
    state = call.state() | {"waited": call.waited, "requests": list(call.answered)}
    state["waits_for"] = state["waits_for"][:_WAITING]
    return dict(state)
