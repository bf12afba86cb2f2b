# SPDX-License-Identifier: Apache-2.0
"""Steps of several requests, which undo themselves and are undone by later ones alike."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

from networker.drivers.flow import undo, undoing
from networker.drivers.neutron.translate import Json

OnFailure = Callable[..., None]


@dataclasses.dataclass(frozen=True)
class Done:
    """What a step ended with.

    :param port: the port that it was about
    :param undos: what takes it back, in the order in which it was done
    """

    name: str
    port: Json
    undos: Sequence[Callable[[], object]]

    def take_back(self) -> None:
        """Take it back; what goes wrong is logged."""
        for function in reversed(self.undos):
            undo(self.name, function)


def revocable(name: str, call: Callable[[OnFailure], Json]) -> Done:
    """Run a step, undo it if it fails half-way, and else return how to undo it later.

    :param name: of the step, for the log
    :param call: is given a function to which it tells, with arguments, what takes back
        what it does next
    """
    undos: list[Callable[[], object]] = []
    with undoing(name) as on_failure:

        def note(function: Callable[..., object], *args: object) -> None:
            on_failure(function, *args)
            undos.append(functools.partial(function, *args))

        return Done(name, call(note), undos)
