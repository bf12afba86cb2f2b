# SPDX-License-Identifier: Apache-2.0
"""What an experiment measured, and whether it is within its limits."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

#: What is said of a row that misses its limit, by unit.
_MISSED = {
    "MB": "TOO BIG",
    "threads": "TOO MANY",
    "connections": "TOO MANY",
    "": "FAILED",
}
#: Characters of what went wrong, from its end.
_SHOWN = 300


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
    :param asked: requests that it made of a cloud, and in how many waves
    :param most: the most of both
    """

    what: str
    unit: str
    samples: Sequence[float]
    against: str = ""
    ratios: Sequence[float] = ()
    limit: Limit | None = None
    note: str = ""
    asked: tuple[int, int] | None = None
    most: tuple[int, int] | None = None

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
        """Whether it is within all its limits; None if it has none."""
        sides = [side for side in (self._few, self._fast) if side is not None]
        return all(sides) if sides else None

    @property
    def verdict(self) -> str:
        """What is said about it."""
        if self.holds is None:
            return ""
        if self._few is False:
            return "TOO MANY"
        return "OK" if self.holds else _MISSED.get(self.unit, "TOO SLOW")

    @property
    def limits(self) -> str:
        """All its limits, for people."""
        most = f"<= {self.most[0]} / {self.most[1]}" if self.most else ""
        return "\n".join(filter(None, (str(self.limit or ""), most)))

    @property
    def _few(self) -> bool | None:
        if self.asked is None or self.most is None:
            return None
        return all(n <= most for n, most in zip(self.asked, self.most, strict=True))

    @property
    def _fast(self) -> bool | None:
        if self.limit is None:
            return None
        value = self.ratio if self.limit.of_ratio else self.median
        return value is not None and self.limit.holds(value)

    def data(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        derived = {"median": self.median, "ratio": self.ratio, "verdict": self.verdict}
        return dataclasses.asdict(self) | derived


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return the ratios of two series, round by round."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def failure(error: BaseException) -> Row:
    """Return the row of an experiment that did not come to its end."""
    text = str(error)
    end = text if len(text) < _SHOWN else f"... {text[-_SHOWN:]}"
    note = f"{type(error).__name__}: {end}"
    return Row("came to its end", "", [0.0], limit=Limit(least=1.0), note=note)
