# SPDX-License-Identifier: Apache-2.0
"""Calls that meet, and what is expected of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from tests.faults.bench import Bench
from tests.faults.scene import Call, Maker


@dataclasses.dataclass(frozen=True)
class Meeting:
    """Calls that are made at the same time.

    :param calls: two or three; one for what can happen to it alone
    :param inverse: takes back what they did, and what was there before
    :param undone: whether a call that fails leaves everything as it was; one that removes
        things does not, but is finished when it is repeated
    :param atomic: whether each call happens as a whole or not at all: what is there at the
        end is what the calls that returned, one after the other, would have left, and a
        call to which nothing happened returns. Of a call and its inverse, or of calls of
        which one removes what the other works on, no more is expected than that nothing of
        others is touched, nothing doubled, and that nothing is left after the inverse.
    :param repeated: whether each call can be made once more at the end, with the same
        result: not where the calls are of different kinds
    """

    calls: Sequence[Call]
    inverse: Call
    undone: bool = True
    atomic: bool = True
    same: bool = True


@dataclasses.dataclass(frozen=True)
class Pair:
    """A meeting that is not arranged yet.

    :param name: of the row in the table
    :param arrange: makes what has to be there before it
    :param calm: whether nothing can happen to its requests
    """

    name: str
    arrange: Callable[[Bench], Meeting]
    calm: bool = False


def copies(make: Maker, count: int, *, calm: bool = False) -> Pair:
    """Return several copies of a scene's call."""

    def arrange(bench: Bench) -> Meeting:
        scene = make(bench)
        return Meeting([scene.call] * count, scene.inverse, undone=scene.undone)

    return Pair(f"{_name(make)} x {count}", arrange, calm)


def _name(make: Maker) -> str:
    room = make.__module__.rpartition(".")[2]
    # Two rooms have a scene of this name.
    return f"{room}.{make.__name__}" if room == "amphorae" else make.__name__


def with_inverse(make: Maker) -> Pair:
    """Return a scene's call and its inverse."""

    def arrange(bench: Bench) -> Meeting:
        scene = make(bench)
        calls = [scene.call, scene.inverse]
        return Meeting(calls, scene.inverse, undone=False, atomic=False, same=False)

    return Pair(f"{_name(make)} + inverse", arrange)
