# SPDX-License-Identifier: Apache-2.0
"""A survey as a tree for a terminal, a pager or a ticket."""

from __future__ import annotations

import io

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from networker.drawing import words
from networker.drawing.survey import Plug, Survey

#: Characters of a line; what is longer is continued on the next one.
_WIDTH = 100


def text(survey: Survey, width: int = _WIDTH) -> str:
    """Return a survey as text without colours.

    :param width: characters of a line
    """
    root = Tree(Text(words.title(survey)))
    root.add(Text(words.verdict(survey)))
    _add_plug(root, survey.vip, survey)
    for sentence in survey.missing:
        root.add(Text(words.trouble(sentence)))
    for group in survey.groups:
        root.add(Text(words.group(group)))
    for server in survey.servers:
        branch = root.add(Text(words.server(server)))
        for sentence in server.troubles:
            branch.add(Text(words.trouble(sentence)))
        for plug in server.plugs:
            _add_plug(branch, plug, survey)
    if survey.networks:
        branch = root.add(Text("networks"))
        for network in survey.networks.values():
            leaf = branch.add(Text(words.network(network)))
            for line in words.subnets(network, survey):
                leaf.add(Text(line))
    untold = root.add(Text("not told by the interface"))
    for sentence in survey.untold:
        untold.add(Text(sentence))
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, highlight=False).print(root)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _add_plug(parent: Tree, plug: Plug, survey: Survey) -> None:
    if plug.port is None:
        return
    branch = parent.add(Text(words.plug(plug, survey)))
    for line in words.port(plug.port, survey):
        branch.add(Text(line))
    for sentence in plug.troubles:
        branch.add(Text(words.trouble(sentence)))
