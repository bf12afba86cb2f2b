# SPDX-License-Identifier: Apache-2.0
"""What an experiment measured, and whether that is what it had to show."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Self

Number = int | float


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number that was measured.

    :param least: what it must be at least; None for no bound
    :param most: what it must be at most; None for no bound
    """

    name: str
    value: Number
    unit: str = ""
    least: Number | None = None
    most: Number | None = None

    @property
    def holds(self) -> bool:
        """Whether it is within its bounds."""
        low = self.least is None or self.value >= self.least
        return low and (self.most is None or self.value <= self.most)

    def __str__(self) -> str:
        value = f"{self.value:.2f}" if isinstance(self.value, float) else self.value
        return f"{self.name} {value}{self.unit and ' '}{self.unit}"


@dataclasses.dataclass
class Result:
    """All figures of an experiment.

    :param figures: in the order in which they are shown
    :param remarks: what else was seen, such as the kinds of errors
    """

    figures: list[Figure] = dataclasses.field(default_factory=list)
    remarks: list[str] = dataclasses.field(default_factory=list)

    def note(self, name: str, value: Number, unit: str = "") -> Self:
        """Add a figure that may be anything."""
        self.figures.append(Figure(name, value, unit))
        return self

    def at_most(self, name: str, value: Number, most: Number, unit: str = "") -> Self:
        """Add a figure with an upper bound."""
        self.figures.append(Figure(name, value, unit, most=most))
        return self

    def at_least(self, name: str, value: Number, least: Number, unit: str = "") -> Self:
        """Add a figure with a lower bound."""
        self.figures.append(Figure(name, value, unit, least=least))
        return self

    def exactly(self, name: str, value: Number, wanted: Number) -> Self:
        """Add a figure that has to have a certain value."""
        self.figures.append(Figure(name, value, least=wanted, most=wanted))
        return self

    def untimed(self) -> Self:
        """Let times be noted only, not judged."""
        self.figures = [
            Figure(one.name, one.value, one.unit) if one.unit == "s" else one
            for one in self.figures
        ]
        return self

    @property
    def broken(self) -> list[str]:
        """The figures that are out of their bounds; empty if the experiment passed."""
        return [str(figure) for figure in self.figures if not figure.holds]

    @property
    def judged(self) -> bool:
        """Whether any figure has a bound."""
        return any((f.least, f.most) != (None, None) for f in self.figures)

    @property
    def passed(self) -> bool:
        """Whether all figures are within their bounds."""
        return not self.broken

    def __getitem__(self, name: str) -> Number:
        return next(f.value for f in self.figures if f.name == name)


def differences(before: Sequence[Any], after: Sequence[Any]) -> int:
    """Count the items that are only in one of two lists."""
    gone = [item for item in before if item not in after]
    return len(gone) + len([item for item in after if item not in before])
