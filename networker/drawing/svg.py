# SPDX-License-Identifier: Apache-2.0
"""A survey as SVG: ports and amphorae in boxes, networks between them.

Whoever cannot see it reads `<title>` and `<desc>`, which have what it shows. What is not
as it should be has a broken frame and says so in words, so that colours are not needed.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from networker.drawing import words
from networker.drawing.survey import Plug, Server, Survey

#: Light and dark, by what whoever looks prefers.
STYLE = """\
.networker-drawing { font: 13px/1.4 sans-serif; }
.networker-drawing text { fill: #1b1f24; }
.networker-drawing .background { fill: #ffffff; }
.networker-drawing rect { fill: #f3f5f8; stroke: #57606a; stroke-width: 1; }
.networker-drawing .network rect { fill: #e4effb; }
.networker-drawing .outer rect { fill: none; }
.networker-drawing .trouble > rect { stroke: #b3261e; stroke-width: 2.5; \
stroke-dasharray: 7 4; }
.networker-drawing .wrong { fill: #a11a13; font-weight: bold; }
.networker-drawing .head { font-weight: bold; }
.networker-drawing path { fill: none; stroke: #57606a; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  .networker-drawing text { fill: #e6e9ee; }
  .networker-drawing .background { fill: #14171c; }
  .networker-drawing rect { fill: #22272f; stroke: #9aa4b2; }
  .networker-drawing .network rect { fill: #1d3044; }
  .networker-drawing .trouble > rect { stroke: #ff9a92; }
  .networker-drawing .wrong { fill: #ffb1aa; }
  .networker-drawing path { stroke: #9aa4b2; }
}
"""
_NAMESPACE = "http://www.w3.org/2000/svg"
_LINE, _PAD, _GAP = 18, 10, 18
_WIDE, _NARROW = 440, 330
_LEFT, _MIDDLE, _RIGHT = 20, 540, 950
#: Characters of a line in a box of that width: bold ones, and others.
_LONGEST = {_WIDE: (46, 56), _NARROW: (34, 42)}
_WIDTH = _RIGHT + _WIDE + 2 * _PAD + _LEFT


@dataclasses.dataclass
class _Box:
    """Lines in a frame; the first is its head."""

    lines: Sequence[str]
    troubles: Sequence[str] = ()
    kind: str = "port"
    width: int = _WIDE
    #: Where it is; set when it is placed.
    x: int = 0
    y: int = 0

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Its lines as they fit, each with its class."""
        bold, usual = _LONGEST[self.width]
        rows = [(row, "head") for row in _wrapped(self.lines[:1], bold)]
        rows += [(row, "") for row in _wrapped(self.lines[1:], usual)]
        marked = [words.trouble(each) for each in self.troubles]
        return rows + [(row, "wrong") for row in _wrapped(marked, bold)]

    @property
    def height(self) -> int:
        return len(self.rows) * _LINE + 2 * _PAD


def svg(survey: Survey, *, styled: bool = True) -> str:
    """Return a survey as an SVG document.

    :param styled: whether :data:`STYLE` is in it; without it, the page has to have it
    """
    return _Picture(survey, styled).document()


def _wrapped(lines: Iterable[str], longest: int) -> list[str]:
    # An id is not broken at its hyphens.
    wrapped = (textwrap.wrap(each, longest, break_on_hyphens=False) for each in lines)
    return [row for rows in wrapped for row in rows]


class _Picture:
    """The places of the boxes, and the lines between them."""

    def __init__(self, survey: Survey, styled: bool) -> None:
        self._survey = survey
        self._styled = styled
        #: By the network's id, the box.
        self._networks: dict[str, _Box] = {}
        self._lines: list[tuple[_Box, str]] = []
        self._frames: list[tuple[_Box, int]] = []
        self._boxes: list[_Box] = []

    def document(self) -> str:
        bottoms = [self._place_left(), self._place_networks(), self._place_servers()]
        foot = self._foot(max(bottoms) + _GAP)
        height = foot.y + foot.height + _GAP
        # Its width keeps letters legible; the page scrolls or shrinks it.
        root = ET.Element(
            "svg",
            {
                "xmlns": _NAMESPACE,
                "class": "networker-drawing",
                "role": "img",
                "aria-labelledby": "drawing-title drawing-desc",
                "viewBox": f"0 0 {_WIDTH} {height}",
                "width": str(_WIDTH),
                "height": str(height),
            },
        )
        title = ET.SubElement(root, "title", {"id": "drawing-title"})
        title.text = words.title(self._survey)
        ET.SubElement(root, "desc", {"id": "drawing-desc"}).text = words.summary(
            self._survey
        )
        if self._styled:
            ET.SubElement(root, "style").text = STYLE
        size = {"width": str(_WIDTH), "height": str(height)}
        ET.SubElement(root, "rect", {"class": "background", **size})
        self._draw(root)
        ET.indent(root)
        return ET.tostring(root, encoding="unicode") + "\n"

    def _place_left(self) -> int:
        survey = self._survey
        head = [words.title(survey), words.verdict(survey)]
        missing = survey.missing
        top = self._place(_Box(head, missing, "balancer"), _LEFT, _GAP)
        if survey.vip.port:
            box = self._plug_box(survey.vip, _WIDE)
            top = self._place(box, _LEFT, top)
            self._lines.append((box, survey.vip.port.network_id or ""))
        for group in survey.groups:
            top = self._place(_Box([words.group(group)], kind="group"), _LEFT, top)
        return top

    def _place_networks(self) -> int:
        top = _GAP
        for network in self._survey.networks.values():
            named = f"network {words.network_name(network.id, self._survey)}"
            off = ["switched off"] if network.admin_state_up is False else []
            subnets = words.subnets(network, self._survey)
            lines = [named, network.id or "", *off, *subnets]
            box = _Box(lines, kind="network", width=_NARROW)
            self._networks[network.id or ""] = box
            top = self._place(box, _MIDDLE, top) + _GAP
        return top

    def _place_servers(self) -> int:
        top = _GAP
        for server in self._survey.servers:
            top = self._place_server(server, top)
        return top

    def _place_server(self, server: Server, top: int) -> int:
        frame = _Box([words.server(server)], server.troubles, "outer")
        frame.x, frame.y = _RIGHT, top
        below = top + frame.height
        for plug in server.plugs:
            box = self._plug_box(plug, _WIDE)
            below = self._place(box, _RIGHT + _PAD, below)
            if plug.port:
                self._lines.append((box, plug.port.network_id or ""))
        self._frames.append((frame, below - top))
        return below + _GAP

    def _plug_box(self, plug: Plug, width: int) -> _Box:
        lines = [words.plug(plug, self._survey)]
        if plug.port:
            lines += words.port(plug.port, self._survey)
        return _Box(lines, plug.troubles, width=width)

    def _foot(self, top: int) -> _Box:
        lines = ["Not told by the interface, and not drawn:", *self._survey.untold]
        foot = _Box(lines, kind="untold")
        self._place(foot, _LEFT, top)
        return foot

    def _place(self, box: _Box, x: int, y: int) -> int:
        """Put a box somewhere; return where the next one can be."""
        box.x, box.y = x, y
        self._boxes.append(box)
        return y + box.height + _GAP

    def _draw(self, root: ET.Element) -> None:
        for box, network_id in self._lines:
            if network_id in self._networks:
                _draw_line(root, box, self._networks[network_id])
        for frame, height in self._frames:
            _draw_box(root, frame, height, frame.width + 2 * _PAD)
        for box in self._boxes:
            _draw_box(root, box, box.height, box.width)


def _draw_line(root: ET.Element, box: _Box, network: _Box) -> None:
    left, right = (box, network) if box.x < network.x else (network, box)
    x1, y1 = left.x + left.width, left.y + left.height // 2
    x2, y2 = right.x, right.y + right.height // 2
    middle = (x1 + x2) // 2
    curve = f"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"
    ET.SubElement(root, "path", {"d": curve, "class": "line"})


def _draw_box(root: ET.Element, box: _Box, height: int, width: int) -> None:
    kind = f"{box.kind} trouble" if box.troubles else box.kind
    group = ET.SubElement(root, "g", {"class": kind})
    frame = {"x": box.x, "y": box.y, "width": width, "height": height, "rx": 6}
    ET.SubElement(group, "rect", {name: str(value) for name, value in frame.items()})
    for number, (row, style) in enumerate(box.rows, 1):
        place = {"x": str(box.x + _PAD), "y": str(box.y + _PAD + number * _LINE - 5)}
        line = ET.SubElement(group, "text", place | ({"class": style} if style else {}))
        line.text = row
