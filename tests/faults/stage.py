# SPDX-License-Identifier: Apache-2.0
"""A scene on a bench, run again and again from where it begins."""

from __future__ import annotations

import difflib

from networker import exceptions
from tests.faults.bench import Bench
from tests.faults.scene import Maker


class Stage:
    """What exists before a scene's call, and after a clean run of it.

    :param bench: where it plays
    :param make: makes the scene
    """

    def __init__(self, bench: Bench, make: Maker) -> None:
        bench.restore(bench.bare)
        bench.empty = bench.bare
        self.bench = bench
        self.scene = make(bench)
        self.start = bench.cloud.save()
        self.before = bench.picture()
        bench.wire.begin()
        self.scene.call(bench.driver)
        self.requests = list(bench.wire.sent)
        self.done = bench.picture()
        bench.restore(bench.empty)
        self.nothing = bench.picture()
        bench.restore(self.start)
        self._known: dict[tuple[str, str], str] = {}

    def wrong_kind(self, raised: BaseException) -> str:
        """Say what is wrong with an exception, if anything."""
        right = (self.scene.failure, exceptions.NotFound)
        public = type(raised).__module__ == exceptions.__name__
        return "" if public and isinstance(raised, right) else f"raised {raised!r}"

    def afterwards(self) -> str:
        """Repeat the call, or take it back, where all is well again.

        :returns: what is wrong then, if anything
        """
        now, here = self.bench.picture(), self.bench.cloud.save()
        for how, call, wanted in (
            ("repeated", self.scene.call, self.done),
            ("taken back", self.scene.inverse, self.nothing),
        ):
            # From the same beginning it ends the same.
            if (how, now) not in self._known:
                self.bench.restore(here)
                call(self.bench.driver)
                self._known[how, now] = self.bench.picture()
            end = self._known[how, now]
            if end != wanted:
                return f"{how}, but:\n{difference(wanted, end)}"
        return ""


def difference(wanted: str, found: str) -> str:
    """Return what of a picture is not as wanted."""
    lines = difflib.ndiff(wanted.splitlines(), found.splitlines())
    return "\n".join(line for line in lines if line[0] in "+-")
