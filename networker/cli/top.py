# SPDX-License-Identifier: Apache-2.0
"""``networker top``: the pool, live in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from typing import NoReturn

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live

from networker import exceptions
from networker.cli.base import Operation
from networker.cli.topview import SORTS, Rates, View, draw
from networker.inquiry import Pool
from networker.reports import PoolState
from networker.service import Refused

#: Seconds after which policies are looked at again.
_SELDOM = 30.0
#: Seconds that the end waits for the question that is on its way.
_ENDING = 2.0
#: Lines of what is printed once.
_LONG = 200
_KEYS = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b": "esc",
    b"\r": "enter",
    b"\n": "enter",
    b"\x7f": "backspace",
    b"\x08": "backspace",
}


class Top(Operation):
    """Show live what the pool does: running calls, rates, latencies, errors.

    Keys: s changes the order of running calls, / filters by any text, the arrows choose a
    call and enter shows all of it, esc goes back, q ends. Rates are over the last
    questions; p50 and p95 are the bounds below which so many calls ended.

    While the broker is away that is said, and it goes on by itself. Where the output is no
    terminal, or with --once, it is printed once. The exit code is 0, with --once also 2 if
    the configuration has to be mended and 3 if the broker cannot be reached.
    """

    example = "networker top --sort worker"

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the options."""
        parser = super().get_parser(prog_name)
        parser.add_argument("--once", action="store_true", help="print once, and end")
        parser.add_argument(
            "--interval",
            type=_seconds,
            default=2.0,
            metavar="SECONDS",
            help="time between questions (default: 2)",
        )
        parser.add_argument(
            "--sort", choices=SORTS, default=SORTS[0], help="order of running calls"
        )
        parser.add_argument(
            "--filter", default="", metavar="TEXT", help="show only what has it in it"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Ask and draw until it is ended."""
        try:
            pool = Pool(self.configuration())
        except ValueError as error:
            raise Refused(str(error)) from error
        view = View(sort=parsed_args.sort, filter=parsed_args.filter)
        live = sys.stdin.isatty() and sys.stdout.isatty() and not parsed_args.once
        if not live:
            with pool:
                self._print(pool, view, min(parsed_args.interval, 1.0))
            return
        # Ctrl-C is one of the ways to end it.
        with contextlib.suppress(KeyboardInterrupt):
            _Screen(pool, view, parsed_args.interval).run()

    def _print(self, pool: Pool, view: View, interval: float) -> None:
        rates = Rates()
        rates.add(pool.ask(letters=False, policies=False))
        threading.Event().wait(interval)  # rates are a difference
        state = pool.ask()
        rates.add(state)
        console = Console(file=self.app.stdout, highlight=False)
        console.print(draw(state, None, rates, view, _LONG))


class _Questions(threading.Thread):
    """Asks again and again, in a thread of its own, since each takes a while.

    :param news: is written to when there is something new
    """

    def __init__(self, pool: Pool, interval: float, news: int) -> None:
        super().__init__(name="questions", daemon=True)
        self._pool, self._interval, self._news = pool, interval, news
        self._ended = threading.Event()
        self._seldom = 0.0
        self._complaints: tuple[str, ...] = ()
        #: What was told last, and why nothing newer is known.
        self.told: tuple[PoolState | None, str | None] = None, None

    def run(self) -> None:
        """Ask until told to end."""
        while not self._ended.is_set():
            try:
                self.told = self._ask(), None
            except exceptions.BusUnavailable as error:
                self.told = self.told[0], str(error)
            with contextlib.suppress(OSError):  # nobody wants to know any more
                os.write(self._news, b"n")
            self._ended.wait(self._interval)
        self._pool.close()

    def _ask(self) -> PoolState:
        seldom = time.monotonic() >= self._seldom
        state = self._pool.ask(policies=seldom, letters=False)
        if seldom:
            self._seldom = time.monotonic() + _SELDOM
            self._complaints = state.complaints
            return state
        unwell = state.unwell + self._complaints
        return msgspec.structs.replace(
            state, complaints=self._complaints, unwell=unwell
        )

    def end(self) -> None:
        """Ask no more."""
        self._ended.set()
        self.join(_ENDING)


class _Screen:
    """Draws, and reads keys, until one of them ends it."""

    def __init__(self, pool: Pool, view: View, interval: float) -> None:
        self._view = view
        self._rates = Rates()
        self._state: PoolState | None = None
        self._news, told = os.pipe()
        self._questions = _Questions(pool, interval, told)

    def run(self) -> None:
        """Show the page until the end."""
        self._questions.start()
        console = Console(highlight=False)
        try:
            with (
                _keyboard(),
                Live(console=console, screen=True, auto_refresh=False) as live,
            ):
                while not self._view.ended:
                    live.update(self._page(console.size.height), refresh=True)
                    self._wait()
        finally:
            self._questions.end()

    def _page(self, height: int) -> RenderableType:
        state, trouble = self._questions.told
        if state is not None and state is not self._state:
            self._rates.add(state)
        self._state = state
        return draw(state, trouble, self._rates, self._view, height)

    def _wait(self) -> None:
        """Return when there is something to draw; do what keys mean."""
        keyboard = sys.stdin.fileno()
        ready, _, _ = select.select([keyboard, self._news], [], [], 1.0)
        if self._news in ready:
            os.read(self._news, 4096)
        if keyboard in ready:
            typed = os.read(keyboard, 64)
            if not typed:  # the terminal is gone
                self._view.ended = True
            rows = self._view.rows(self._state) if self._state else []
            for key in keys(typed):
                self._view.press(key, rows)


@contextlib.contextmanager
def _keyboard() -> Iterator[None]:
    """Get keys as they are pressed; leave the terminal as it was, whatever ends it."""
    before = termios.tcgetattr(sys.stdin)
    ending = signal.signal(signal.SIGTERM, _end)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, ending)


def _end(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


def keys(typed: bytes) -> list[str]:
    """Return the keys that a terminal has sent."""
    found: list[str] = []
    while typed:
        known = [each for each in _KEYS if typed.startswith(each)]
        if known:
            longest = max(known, key=len)
            found.append(_KEYS[longest])
            typed = typed[len(longest) :]
        else:
            found.append(typed[:1].decode("ascii", "replace"))
            typed = typed[1:]
    return found


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.1 and 3600")
    return value
