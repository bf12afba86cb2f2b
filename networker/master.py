# SPDX-License-Identifier: Apache-2.0
"""``networker-worker``'s first process: keeps workers running, replaces them on SIGHUP.

It starts a *pool*, a process (:mod:`networker.pool`) that reads the configuration, checks
it and forks the workers. On SIGHUP it starts another one beside it. Only when workers of
the new one serve is the earlier one told to finish; when its configuration is refused, the
earlier one goes on. So all options follow a reload, and at no moment does nobody serve.

Both ends notice when the other one is gone. A pool without its master drains. A master that
loses its pool ends with an error, so that whoever watches it starts it again. Only the
standard library is loaded here: there should be little that can end this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from networker import systemd
from networker.endpoint import Endpoints

#: Seconds in which a pool must have found out whether its configuration is right.
CHECK_WITHIN = 120.0
#: Seconds in which a pool that goes on says so.
_ANSWERED_WITHIN = 5.0
FAILED = 1
_LONGEST = 1 << 16
#: Of the environment, what is for this process alone.
_SYSTEMD = {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"}

#: What happened, to which pool, and more about it.
Event = tuple[str, "Pool | None", Any]


class Pool:
    """A process that runs workers, as its master knows it.

    :param events: gets ``("told", pool, message)`` for each of its messages, ``("late",
        pool, None)`` when its check takes too long, and ``("ended", pool, exit code)``
    """

    def __init__(self, events: asyncio.Queue[Event]) -> None:
        self._events = events
        self._process: asyncio.subprocess.Process | None = None
        self._channel: socket.socket | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._limit: asyncio.TimerHandle | None = None
        #: Whether its configuration was found to be right.
        self.checked = False
        #: Whether it has answered since it was last asked whether it is alive.
        self.answered = True
        #: Set by each answer to that.
        self.heard = asyncio.Event()
        #: Why it ends, if it said so: a text, and the exit code for the master.
        self.reason: tuple[str, int] | None = None

    async def start(self, arguments: Sequence[str]) -> None:
        """Start the process.

        :param arguments: the command line's
        :raises OSError: it cannot be started
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._channel = ours
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *[sys.executable, "-P", "-m", "networker.pool", str(theirs.fileno())],
                *arguments,
                env={k: v for k, v in os.environ.items() if k not in _SYSTEMD},
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # a terminal's signals are for the master
            )
        loop.add_reader(ours, self._read)
        self._limit = loop.call_later(
            CHECK_WITHIN, self._events.put_nowait, ("late", self, None)
        )
        self._watcher = loop.create_task(self._watch(self._process, ours))

    def accept(self) -> None:
        """Take note that its configuration is right."""
        self.checked = True
        if self._limit:
            self._limit.cancel()

    def log(self, level: int, text: str) -> None:
        """Have a line in the workers' log; on stderr where that is impossible."""
        if not self._send({"level": level, "text": text}):
            complain(text)

    def ask(self) -> None:
        """Ask whether it is alive; the answer is a message."""
        self.answered = False
        self.heard.clear()
        self._send({"ask": "alive"})

    def reply(self, answer: dict[str, str]) -> None:
        """Answer what the pool has asked before it was checked."""
        self._send(answer)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal: SIGTERM lets workers finish, SIGINT and SIGKILL do not."""
        if self._process and self._process.returncode is None:
            if how == signal.SIGINT and not self.checked:
                how = signal.SIGKILL
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(how)

    def _send(self, message: dict[str, Any]) -> bool:
        """Send a message; tell whether that was possible."""
        try:
            sent = (
                self._channel.send(json.dumps(message).encode()) if self._channel else 0
            )
        except OSError:
            return False
        return bool(sent)

    def _read(self) -> bool:
        """Take one message; tell whether there was one."""
        try:
            message = self._channel.recv(_LONGEST) if self._channel else b""
        except OSError:
            return False
        if message:
            self._events.put_nowait(("told", self, json.loads(message)))
        return bool(message)

    async def _watch(
        self, process: asyncio.subprocess.Process, channel: socket.socket
    ) -> None:
        code = await process.wait()
        asyncio.get_running_loop().remove_reader(channel)
        while self._read():
            pass
        channel.close()
        if self._limit:
            self._limit.cancel()
        self._events.put_nowait(("ended", self, code))


class Master:
    """Keeps one pool of workers serving.

    :param arguments: the command line's, for every pool
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        #: The one that serves.
        self._pool: Pool | None = None
        #: The one that is to take its place.
        self._next: Pool | None = None
        self._leaving: set[Pool] = set()
        self._stopping: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._endpoints = Endpoints(self.alive, self.draining)

    async def run(self) -> int:
        """Run until told to stop; return the exit code."""
        self._loop = loop = asyncio.get_running_loop()
        for number, event in (
            (signal.SIGHUP, "reload"),
            (signal.SIGTERM, "stop"),
            (signal.SIGINT, "interrupt"),
        ):
            loop.add_signal_handler(
                number, self._events.put_nowait, (event, None, None)
            )
        systemd.notify("STATUS=checking the configuration")
        watchdog = systemd.watchdog()
        if watchdog:
            # Often enough that an answer may be late.
            self._watch(watchdog / 4)
        try:
            code = await self._begin()
            while code is None:
                event, pool, more = await self._events.get()
                code = await getattr(self, f"_{event}")(pool, more)
        finally:
            self._endpoints.close()
        return code

    def alive(self) -> bool:
        """Tell, in another thread, whether this process and the pool that serves go on."""
        if self._loop is None:
            return False
        asked = asyncio.run_coroutine_threadsafe(self._answers(), self._loop)
        try:
            return asked.result(_ANSWERED_WITHIN)
        except TimeoutError:
            asked.cancel()
            return False

    def draining(self) -> bool:
        """Tell whether all workers were told to end."""
        return self._stopping is not None

    async def _answers(self) -> bool:
        if self._pool:
            self._pool.ask()
            await self._pool.heard.wait()
        return True

    def _watch(self, interval: float) -> None:
        """Tell systemd that this process and the pool that serves go on, if they do.

        :param interval: seconds until the next time
        """
        if not self._pool or self._pool.answered:
            systemd.notify("WATCHDOG=1")
        if self._pool:
            self._pool.ask()
        asyncio.get_running_loop().call_later(interval, self._watch, interval)

    async def _begin(self) -> int | None:
        """Start a pool that is to serve in place of the present one."""
        self._next = Pool(self._events)
        try:
            await self._next.start(self._arguments)
        except OSError as error:
            self._next.reason = (f"no process can be started: {error}", FAILED)
            return await self._ended(self._next, FAILED)
        return None

    async def _reload(self, _pool: None, _more: None) -> int | None:
        if self._stopping is not None:
            return None
        if self._next:
            # What it has read may be out of date.
            self._next.end(signal.SIGTERM)
            self._leaving.add(self._next)
        if self._pool:
            systemd.reloading("serving; checking a new configuration")
        return await self._begin()

    async def _stop(self, _pool: None, _more: None) -> int | None:
        return self._stop_all(signal.SIGTERM, 0)

    async def _interrupt(self, _pool: None, _more: None) -> int | None:
        return self._stop_all(signal.SIGINT, FAILED)

    def _stop_all(self, how: signal.Signals, code: int) -> int | None:
        self._stopping = code
        systemd.notify("STOPPING=1", "STATUS=draining: what was begun is finished")
        self._leaving |= {pool for pool in (self._pool, self._next) if pool}
        self._pool = self._next = None
        for pool in self._leaving:
            pool.end(how)
        return None if self._leaving else code

    async def _told(self, pool: Pool, message: dict[str, Any]) -> None:
        state = message["state"]
        if state == "ending":
            pool.reason = (message["text"], message["code"])
        elif state == "alive":
            pool.answered = True
            pool.heard.set()
        elif state == "listen":
            pool.reply(self._endpoints.open(pool, message["address"]))
        elif state == "checked":
            pool.accept()
        elif state == "serving" and pool is self._next:
            before, self._pool, self._next = self._pool, pool, None
            systemd.notify("READY=1", "STATUS=serving")
            if before:
                pool.log(logging.INFO, "reloaded: the earlier workers finish and end")
                before.end()
                self._endpoints.release(before)
                self._leaving.add(before)

    async def _late(self, pool: Pool, _more: None) -> None:
        if not pool.checked:
            text = f"the check of the configuration did not end in {CHECK_WITHIN:.0f} s"
            pool.reason = (text, FAILED)
            pool.end(signal.SIGKILL)

    async def _ended(self, pool: Pool, code: int) -> int | None:
        self._endpoints.release(pool)
        if pool in self._leaving:
            self._leaving.remove(pool)
            return self._stopping if not self._leaving else None
        text, reason = pool.reason or (_describe(code), FAILED if code < 0 else code)
        if pool is self._pool:
            line = f"the process that runs the workers is gone: {text}"
            systemd.notify(f"STATUS={line}")
            complain(line)
            return FAILED
        self._next = None
        if self._pool is None:
            if code:
                complain(text)
            return reason
        line = f"reload refused, the workers go on as they are: {text}"
        self._pool.log(logging.ERROR, line)
        systemd.notify("READY=1", f"STATUS=serving; {line}")
        return None


def complain(text: str) -> None:
    """Say on stderr what is wrong."""
    print(f"networker-worker: {text}", file=sys.stderr, flush=True)


def _describe(code: int) -> str:
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with exit code {code}"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``networker-worker`` until it is told to stop."""
    given = sys.argv[1:] if arguments is None else arguments
    sys.exit(asyncio.run(Master(given).run()))
