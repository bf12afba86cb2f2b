# SPDX-License-Identifier: Apache-2.0
"""What an experiment measured, and whether it is within its limits."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

#: What is said of a row that misses its limit, by unit.
_MISSED = {"MB": "TOO BIG", "": "FAILED"}


@dataclasses.dataclass(frozen=True)
class Limit:
    """What the median must be: at least, at most, or both.

    :param of_ratio: whether it is for the ratio, not for the value itself
    """

    least: float | None = None
    most: float | None = None
    of_ratio: bool = False

    def holds(self, value: float) -> bool:
        """Tell whether a value is within it."""
        low = self.least is None or value >= self.least
        return low and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        sides = [(">=", self.least), ("<=", self.most)]
        text = " ".join(f"{sign} {value:g}" for sign, value in sides if value)
        return f"{text}x" if self.of_ratio else text


@dataclasses.dataclass(frozen=True)
class Row:
    """Something that was measured once in each round.

    :param samples: the values
    :param against: what the ratios are to, if there are any
    :param ratios: of this to that, round by round
    :param note: what else is worth knowing
    """

    what: str
    unit: str
    samples: Sequence[float]
    against: str = ""
    ratios: Sequence[float] = ()
    limit: Limit | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples)

    @property
    def ratio(self) -> float | None:
        """The median of the ratios."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def holds(self) -> bool | None:
        """Whether it is within its limit; None if it has none."""
        if self.limit is None:
            return None
        value = self.ratio if self.limit.of_ratio else self.median
        return value is not None and self.limit.holds(value)

    @property
    def verdict(self) -> str:
        """What is said about it."""
        if self.holds is None:
            return ""
        return "OK" if self.holds else _MISSED.get(self.unit, "TOO SLOW")

    def data(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        derived = {"median": self.median, "ratio": self.ratio, "verdict": self.verdict}
        return dataclasses.asdict(self) | derived


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return the ratios of two series, round by round."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def failure(error: BaseException) -> Row:
    """Return the row of an experiment that did not come to its end."""
    note = f"{type(error).__name__}: {error}"[:300]
    return Row("came to its end", "", [0.0], limit=Limit(least=1.0), note=note)
