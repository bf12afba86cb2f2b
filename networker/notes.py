# SPDX-License-Identifier: Apache-2.0
"""What a worker process notes of itself, to answer who asks what it does.

It is in memory, and nothing of it costs more than some microseconds a call. What runs is
also in a part of a file that all workers of one parent share, so that the others can tell
of a process that hangs what it is in. The file has no name, and is gone with them.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import http
import mmap
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from networker import exceptions, reports
from networker._text import printable
from networker.observer import ApiRequest, Call, Observer
from networker.rpc import codec

OK = "ok"
#: How a call can end: well, or with an error of the interface.
OUTCOMES = frozenset({OK, *codec.error_classes()})
#: Operations that have ended and are remembered, and requests to the cloud of each.
_REMEMBERED, _REQUESTS = 200, 30
#: Characters of an error's text, of a request's path, and of an id that is shared.
_LONGEST, _PATH, _ID = 500, 240, 120
#: Seconds of which it is known how long operations had waited.
_LATELY = 60.0
#: Bytes of a part's head, of a place for a call in it, and where in that the load balancer
#: and the request are.
_HEAD, _SLOT, _ABOUT, _STEP = mmap.ALLOCATIONGRANULARITY, 1024, 640, 768
_NOTHING = bytes(2)
#: Bytes that say how long a text is.
_LENGTH = 2
#: Parts more than there are workers, for those that take the place of others.
_SPARE = 8
#: Where the operations are in which workers have died, and how many of the latest.
_DEATHS, _DEADLY = 1024, 50


def outcome(error: type[exceptions.NetworkException] | None) -> str:
    """Return the word for how a call ended: the first class that the interface knows."""
    if error is None:
        return OK
    return next(kind.__name__ for kind in error.__mro__ if kind.__name__ in OUTCOMES)


class Notes(Observer):
    """Notes which calls run, and how those before them have ended.

    :param part: where what runs is shared with the workers beside this one
    """

    def __init__(self, part: Part | None = None) -> None:
        self._part = part
        self._lock = threading.Lock()
        self._running: dict[int, Call] = {}
        self._ended: collections.deque[Call] = collections.deque(maxlen=_REMEMBERED)
        self._methods: dict[str, _Counts] = {}
        #: The longest wait of each of the last seconds.
        self._waits: collections.deque[tuple[int, float]] = collections.deque()
        self._last_error: dict[str, Any] | None = None
        #: When the cloud last answered a request, by the monotonic clock.
        self.answered: float | None = None

    @property
    def running(self) -> list[Call]:
        """The calls that run now."""
        return list(self._running.values())

    def begun(self, call: Call) -> None:
        """Note that a call runs."""
        self._running[id(call)] = call
        if self._part:
            self._part.put(call)
        if call.waited is not None:
            self._note_wait(max(0.0, call.waited))

    def named(self, call: Call) -> None:
        """Note which load balancer a call is about."""
        if self._part:
            self._part.name(call)

    def ended(
        self,
        call: Call,
        error: type[exceptions.NetworkException] | None,
        seconds: float,
    ) -> None:
        """Note that a call has ended."""
        self._running.pop(id(call), None)
        if self._part:
            self._part.clear(call)
        call.outcome, call.seconds = outcome(error), seconds
        if call.error:
            call.error = printable(call.error, _LONGEST)
        with self._lock:
            counts = self._methods.get(call.method)
            if counts is None:
                counts = self._methods[call.method] = _Counts()
            counts.add(call.outcome, seconds)
        if error:
            self._last_error = _failure(call)
        self._ended.append(call)

    def asking(self, request: ApiRequest) -> None:
        """Note what a call asks of the cloud."""
        if self._part and request.call:
            self._part.step(request.call, request.name)

    def asked(self, request: ApiRequest) -> None:
        """Note that the cloud answers, or does not."""
        status, call = request.status, request.call
        if status is not None and status < http.HTTPStatus.INTERNAL_SERVER_ERROR:
            self.answered = time.monotonic()
        if call and len(call.answered) < _REQUESTS:
            call.answered.append(
                {
                    "request": request.name[:_PATH],
                    "seconds": round(request.seconds, 3),
                    "tries": request.tries,
                    "status": status,
                }
            )

    def deaths(self, operation_id: str) -> int:
        """Return how many workers of this parent died while they ran an operation."""
        return self._part.deaths().get(operation_id[:_ID], 0) if self._part else 0

    def calls(self) -> list[dict[str, Any]]:
        """Return what has ended, by method."""
        with self._lock:
            return [each.state(name) for name, each in self._methods.items()]

    def last_error(self) -> dict[str, Any] | None:
        """Return how the last operation that failed has failed."""
        return self._last_error

    def longest_wait(self) -> float | None:
        """Return the seconds that an operation of the last minute had waited at most."""
        with self._lock:
            first = int(time.monotonic() - _LATELY)
            waits = [wait for second, wait in self._waits if second >= first]
        return max(waits, default=None)

    def recent(self, most: int, wanted: str | None = None) -> list[dict[str, Any]]:
        """Return operations that have ended, the latest first.

        :param most: how many
        :param wanted: operation or request id, if only what has it is wanted
        """
        found = reversed(list(self._ended))
        if wanted is not None:
            found = iter([call for call in found if is_meant(call, wanted)])
        return [call.ended_state() for call, _ in zip(found, range(most), strict=False)]

    def _note_wait(self, seconds: float) -> None:
        now = int(time.monotonic())
        with self._lock:
            if self._waits and self._waits[-1][0] == now:
                self._waits[-1] = now, max(seconds, self._waits[-1][1])
            else:
                self._waits.append((now, seconds))
            while self._waits[0][0] < now - _LATELY:
                self._waits.popleft()


def is_meant(call: Call, wanted: str) -> bool:
    """Tell whether a call has an operation or request id."""
    return wanted in {call.operation_id, call.request_id}


class _Counts:
    """How often a method was run."""

    def __init__(self) -> None:
        self._ended, self._seconds = 0, 0.0
        self._errors: collections.Counter[str] = collections.Counter()
        self._buckets = [0] * (len(reports.BOUNDS) + 1)

    def add(self, how: str, seconds: float) -> None:
        """Count a call."""
        self._ended += 1
        self._seconds += seconds
        self._buckets[reports.bucket(seconds)] += 1
        if how != OK:
            self._errors[how] += 1

    def state(self, method: str) -> dict[str, Any]:
        """Return what was counted."""
        return {
            "method": method,
            "ended": self._ended,
            "errors": dict(self._errors),
            "seconds": round(self._seconds, 3),
            "buckets": list(self._buckets),
        }


def _failure(call: Call) -> dict[str, Any]:
    return {
        "when": time.time(),
        "outcome": call.outcome,
        "method": call.method,
        "operation_id": call.operation_id,
        "error": call.error,
    }


class SharedNotes:
    """What the workers of one parent share; made by it, before they are forked.

    Each has a part, which it holds by a lock that the system takes away when it ends.

    :param workers: how many there are
    :param calls: that each can run at the same time
    :raises OSError: there is no room for it
    """

    def __init__(self, workers: int, calls: int) -> None:
        self._calls = calls
        size = _HEAD + calls * _SLOT
        self._size = -(-size // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        self._parts = workers + _SPARE
        self._file = tempfile.TemporaryFile(prefix="networker-")  # noqa: SIM115 - as long as workers live
        self._file.truncate(_HEAD + self._size * self._parts)
        self._own: int | None = None

    def claim(self) -> Part | None:
        """Return a part for this process; None if there is none left."""
        for number in range(self._parts):
            if self._lock(number):
                self._own = number
                self._note_death(number)
                at = self._start(number)
                view = mmap.mmap(self._file.fileno(), self._size, offset=at)
                return Part(view, self._calls, self.deaths)
        return None

    def close(self) -> None:
        """Give the part back, for the workers to come."""
        self._file.close()

    def others(self) -> list[int]:
        """Return the process ids of the other workers that can be asked."""
        return [head["pid"] for _, head in self._heads()]

    def read(self, pids: list[int]) -> list[dict[str, Any]]:
        """Return what other workers have noted last.

        :param pids: which ones
        :returns: of each its `pid`, `since`, and what was `running`
        """
        return [
            head | {"running": list(self._running(number))}
            for number, head in self._heads()
            if head["pid"] in pids
        ]

    def deaths(self) -> dict[str, int]:
        """Return of the operations in which workers have died how many it were."""
        return self._text(_DEATHS, _HEAD - _DEATHS) or {}

    def _note_death(self, number: int) -> None:
        """Note what the process was in that had a part before: it was killed."""
        left = [call["operation_id"] for call in self._running(number)]
        if not left:
            return
        # Another worker that begins waits here.
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, self._parts)
        deaths = self.deaths()
        for operation in left:
            deaths[operation] = deaths.pop(operation, 0) + 1
        latest = dict(list(deaths.items())[-_DEADLY:])
        self._write(_DEATHS, latest, _HEAD - _DEATHS)
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._parts)

    def warn(self, text: str) -> None:
        """Let all workers tell something that their parent has to say."""
        self._write(0, {"text": text[:_LONGEST], "when": time.time()}, _DEATHS)

    def warning(self) -> dict[str, Any] | None:
        """Return what the parent has to say: its `text`, and `when` it said so."""
        return self._text(0)

    def _start(self, number: int) -> int:
        """Return where a part begins: behind what the parent has to say."""
        return _HEAD + number * self._size

    def _heads(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for number in range(self._parts):
            if number == self._own:
                continue
            head = self._text(self._start(number))
            # Who holds a part keeps others from locking it.
            if head and not self._lock(number, release=True):
                yield number, head

    def _running(self, number: int) -> Iterator[dict[str, Any]]:
        for slot in range(self._calls):
            at = self._start(number) + _HEAD + slot * _SLOT
            call = self._text(at)
            if call:
                about, step = self._text(at + _ABOUT), self._text(at + _STEP)
                yield {**call, **(about or {}), "waits_for": [step] if step else []}

    def _write(self, at: int, told: dict[str, Any], room: int) -> None:
        if text := _framed(told, room):
            os.pwrite(self._file.fileno(), text, at)

    def _text(self, at: int, room: int = _SLOT) -> dict[str, Any] | None:
        raw = os.pread(self._file.fileno(), room, at)
        length = int.from_bytes(raw[:_LENGTH])
        with contextlib.suppress(msgspec.DecodeError):  # it is written just now
            if length:
                return msgspec.json.decode(
                    raw[_LENGTH : _LENGTH + length], type=dict[str, Any]
                )
        return None

    def _lock(self, number: int, *, release: bool = False) -> bool:
        """Try to hold a part; tell whether nobody else does."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            return False
        if release:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        return True


class Part:
    """What one worker shares with the others.

    :param view: of the file
    :param calls: how many calls it has places for
    :param deaths: see :meth:`SharedNotes.deaths`
    """

    def __init__(
        self,
        view: mmap.mmap,
        calls: int,
        deaths: Callable[[], dict[str, int]],
    ) -> None:
        self._view = view
        self.deaths = deaths
        view[:] = bytes(len(view))  # of a process that has ended
        self._free = collections.deque(range(calls))
        self._since = time.time()

    def answering(self, *, now: bool) -> None:
        """Share whether this process can be asked: one that cannot does not hang."""
        if now:
            self._write(0, {"pid": os.getpid(), "since": self._since}, _HEAD)
        else:
            self._view[:_LENGTH] = _NOTHING

    def put(self, call: Call) -> None:
        """Share that a call runs, if there is a place for it."""
        try:
            call.slot = self._free.popleft()
        except IndexError:
            return
        request, caller = call.request_id, call.caller
        told = {
            "method": call.method,
            "operation_id": call.operation_id[:_ID],
            "request_id": request and request[:_ID],
            "caller": caller and caller[:_ID],
            "since": call.since,
        }
        self._write(_HEAD + call.slot * _SLOT, told, _ABOUT)

    def name(self, call: Call) -> None:
        """Share which load balancer a call is about."""
        slot, named = call.slot, call.load_balancer
        if slot is not None and named:
            at = _HEAD + slot * _SLOT + _ABOUT
            self._write(at, {"load_balancer": named[:_ID]}, _STEP - _ABOUT)

    def step(self, call: Call, request: str) -> None:
        """Share what a call asks of the cloud."""
        slot = call.slot
        if slot is not None:
            told = {"request": request[: _PATH - 20], "tries": 1}
            self._write(_HEAD + slot * _SLOT + _STEP, told, _SLOT - _STEP)

    def clear(self, call: Call) -> None:
        """Share that a call runs no more."""
        if call.slot is not None:
            at = _HEAD + call.slot * _SLOT
            for place in (at, at + _ABOUT, at + _STEP):
                self._view[place : place + _LENGTH] = _NOTHING
            self._free.append(call.slot)
            call.slot = None

    def _write(self, at: int, told: dict[str, Any], room: int) -> None:
        """Write a text; one that has no room is left out."""
        if text := _framed(told, room):
            self._view[at : at + len(text)] = text


def _framed(told: dict[str, Any], room: int) -> bytes | None:
    """Return a text as it is written, behind its length; None if it has no room."""
    text = msgspec.json.encode(told)
    return len(text).to_bytes(_LENGTH) + text if _LENGTH + len(text) <= room else None
