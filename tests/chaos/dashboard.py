# SPDX-License-Identifier: Apache-2.0
"""The panels of the dashboard for Grafana, drawn from what a Prometheus has collected."""

from __future__ import annotations

import json
import math
import pathlib
from collections.abc import Sequence

import matplotlib.dates
import matplotlib.figure

from tests.prometheus import ROOT, Prometheus

_DASHBOARD = ROOT / "etc/grafana/networker.json"
#: What Grafana puts into expressions.
_VARIABLES = {"$instance": ".*", "$__rate_interval": "30s"}
_COLUMNS, _WIDTH, _HEIGHT = 3, 5.0, 2.0
#: Series of one panel that are named below it.
_MOST = 6


def draw(
    server: Prometheus,
    path: pathlib.Path,
    ended: float,
    marks: Sequence[tuple[float, str]],
) -> None:
    """Draw all panels that have values.

    :param path: of the picture
    :param ended: when it shall end, in seconds since the epoch
    :param marks: when what was done, the first of them near the picture's begin
    """
    began = marks[0][0] - 30
    panels = {}
    for panel in json.loads(_DASHBOARD.read_text())["panels"]:
        expression = panel["targets"][0]["expr"]
        for name, value in _VARIABLES.items():
            expression = expression.replace(name, value)
        series = server.values(expression, began, ended)
        if any(_is_seen(points) for points in series.values()):
            panels[panel["title"]] = series
    rows = math.ceil(len(panels) / _COLUMNS)
    figure = matplotlib.figure.Figure(
        (_COLUMNS * _WIDTH, rows * _HEIGHT), layout="constrained"
    )
    places = list(figure.subplots(rows, _COLUMNS, squeeze=False).flat)
    for place in places[len(panels) :]:
        place.set_axis_off()
    for place, (title, series) in zip(places, panels.items(), strict=False):
        place.set_title(title, fontsize=9, loc="left")
        for name, points in sorted(series.items()):
            times = [matplotlib.dates.num2date(at / 86400) for at, _ in points]
            place.plot(times, [value for _, value in points], label=name, linewidth=1)
        for at, name in marks:
            moment = matplotlib.dates.num2date(at / 86400)
            place.axvline(moment, color="0.7", linewidth=0.7)
            place.annotate(
                name,
                (moment, 1),
                xycoords=("data", "axes fraction"),
                rotation=90,
                verticalalignment="top",
                fontsize=6,
                color="0.4",
            )
        place.set_ylim(bottom=0)
        place.tick_params(labelsize=6)
        place.xaxis.set_major_formatter(matplotlib.dates.DateFormatter("%H:%M"))
        if 1 < len(series) <= _MOST:
            place.legend(fontsize=5, loc="upper left")
    figure.savefig(path, dpi=90)


def _is_seen(points: Sequence[tuple[float, float]]) -> bool:
    return any(value and not math.isnan(value) for _, value in points)
