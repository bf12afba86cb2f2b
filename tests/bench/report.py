# SPDX-License-Identifier: Apache-2.0
"""What was measured: as a table for people, as JSON, and as a picture."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import psutil
from matplotlib import figure
from rich.markup import escape
from rich.table import Table

from tests.bench.results import Row

#: The rows of an experiment; None if it was skipped.
Results = Mapping[str, Sequence[Row] | None]

_OURS = ("oslo.messaging", "kombu", "amqp", "msgspec")
#: Inches.
_WIDTH, _BAR, _MARGIN = 11.0, 0.28, 1.0


def machine() -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load": [round(load, 2) for load in psutil.getloadavg()],
        **{name: metadata.version(name) for name in _OURS},
    }


def table(results: Results, title: str) -> Table:
    """Return everything as one table."""
    made = Table(title=title)
    for column in ("experiment", "what"):
        made.add_column(column)
    for column in ("median", "min - max", "ratio", "limit"):
        made.add_column(column, justify="right")
    for column in ("verdict", "besides"):
        made.add_column(column)
    for name, rows in results.items():
        if rows is None:
            made.add_row(name, "skipped: OS_CLOUD names no cloud", end_section=True)
        for row in rows or ():
            made.add_row(name, *_cells(row), end_section=row is (rows or ())[-1])
    return made


def _cells(row: Row) -> list[str]:
    low, high = min(row.samples), max(row.samples)
    ratio = ""
    if row.ratio is not None:
        spread = f"{min(row.ratios):.2f} - {max(row.ratios):.2f}"
        ratio = f"{row.ratio:.2f} ({spread})\n{row.against}"
    asked = f"\n{row.asked[0]} / {row.asked[1]}" if row.asked else ""
    colour = {True: "green", False: "red", None: "default"}[row.holds]
    return [
        escape(row.what),
        f"{_number(row.median)} {row.unit}{asked}",
        f"{_number(low)} - {_number(high)}" if len(row.samples) > 1 else "",
        ratio,
        row.limits,
        f"[{colour}]{row.verdict}[/]",
        escape(row.note),
    ]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def write_json(path: pathlib.Path, results: Results, about: Mapping[str, Any]) -> None:
    """Write everything as JSON.

    :param about: the machine, the seed and the like
    """
    rows = {
        name: None if found is None else [row.data() for row in found]
        for name, found in results.items()
    }
    path.write_text(json.dumps({"about": about, "experiments": rows}, indent=1) + "\n")


def write_plot(path: pathlib.Path, results: Results) -> None:
    """Draw the medians as bars, with lines from the least to the most."""
    panels = [
        (f"{name}, {unit}", [row for row in found or () if row.unit == unit])
        for name, found in results.items()
        for unit in dict.fromkeys(row.unit for row in found or ())
    ]
    if not panels:
        return
    heights = [_MARGIN + _BAR * len(rows) for _, rows in panels]
    picture = figure.Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    picture.suptitle(
        "medians, lines from min to max; grey: others; red: a limit is missed"
    )
    axes = picture.subplots(len(panels), squeeze=False, height_ratios=heights)
    for (name, rows), axis in zip(panels, axes[:, 0], strict=True):
        _draw(axis, name, rows)
    picture.savefig(path)


def _draw(axis: Any, name: str, rows: Sequence[Row]) -> None:
    medians = [row.median for row in rows]
    below = [row.median - min(row.samples) for row in rows]
    above = [max(row.samples) - row.median for row in rows]
    colours = [_colour(row) for row in rows]
    axis.barh(range(len(rows)), medians, xerr=[below, above], color=colours, height=0.7)
    axis.set_yticks(range(len(rows)), [row.what for row in rows])
    axis.invert_yaxis()
    axis.set_title(name, loc="left")
    axis.grid(axis="x", alpha=0.3)


def _colour(row: Row) -> str:
    if row.holds is False:
        return "tab:red"
    return "silver" if row.against.startswith("networker /") else "tab:blue"
