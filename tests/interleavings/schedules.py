# SPDX-License-Identifier: Apache-2.0
"""Schedules: how a run differs from one in which nobody is interrupted and nothing fails.

A schedule is written as words: ``A5>B`` lets B go on when A is about to take its fifth
step; ``B3!500`` answers B's third step with 500. ``-0>B`` lets B begin. Where the same
decision comes up again, after something that was begun earlier has ended in between, it is
``A5.1``, ``A5.2`` and so on.
"""

from __future__ import annotations

import dataclasses

#: What can happen to a step besides an answer with an error's status. ``lost``: it is done,
#: and the connection reset before the answer. ``timeout``: it is done, and the answer comes
#: too late. ``late``: it is done two seconds after its answer was waited for, at most, and
#: something unique is made by it, so that it can be made certain. ``later``: the same of
#: any other request, of which nobody can know that it will be done.
#: ``reset``: it is not done. ``kill``: its process is no more. ``lease``: its process was
#: stopped for a minute, and the request is another's. ``deadline``: nobody waits for the
#: call any more.
HAPPENINGS = ("lost", "timeout", "late", "later", "reset", "kill", "lease", "deadline")
#: At the end of an event's name: all later requests like this one fail alike.
LASTING = "*"


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Where a run differs.

    :param words: each difference, in the order in which they come up
    :param place: the number of the decision that the last of them changes
    :param switches: how often somebody is interrupted
    :param events: how many steps fail
    """

    words: tuple[str, ...] = ()
    place: int = -1
    switches: int = 0
    events: int = 0

    def __str__(self) -> str:
        return " ".join(self.words)

    @classmethod
    def read(cls, text: str) -> Schedule:
        """Read what was printed."""
        return cls(tuple(text.split()))

    def choices(self) -> dict[str, str]:
        """Return what is chosen: ``A5>`` or ``A5!`` to what follows."""
        found = {}
        for word in self.words:
            sign = ">" if ">" in word else "!"
            where, _, what = word.partition(sign)
            found[where + sign] = what
        return found

    def then(self, word: str, place: int, switches: int, events: int) -> Schedule:
        """Return the schedule that differs once more, later."""
        return Schedule(
            (*self.words, word), place, self.switches + switches, self.events + events
        )

    def without(self, index: int) -> Schedule:
        """Return the schedule without one of its differences."""
        return Schedule(self.words[:index] + self.words[index + 1 :])
