# SPDX-License-Identifier: Apache-2.0
"""Write docs/man/*.1 from what ``--help`` is made of; ``make docs`` runs it."""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split
import argparse
import inspect
import pathlib
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from cliff.lister import Lister
from cliff.show import ShowOne
from oslo_config import cfg

from networker import conf, service, upgrade
from networker.cli import Networker

_ROLES = re.compile(r":(?:class|meth|mod):`[~.]*(?:[\w.]+\.)?(\w+)`")
_FIELD = re.compile(r":(raises \S+|returns): ")
#: What is said with the flags.
_PARAMETER = re.compile(r"^:param .*\n(?: +.*\n?)*", re.MULTILINE)
_SUMMARIES = {
    "networker": "operate a load balancer's network driver on a message bus",
    "networker-status": "find out whether an upgrade would do",
    "networker-worker": "serve a load balancer's network driver on a message bus",
}


def escape(text: str) -> str:
    """Return text so that it is shown as it is."""
    text = _ROLES.sub(r"\1", text).replace("``", "").replace("`", "")
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def prose(text: str) -> Iterator[str]:
    """Write paragraphs, and what is returned and raised."""
    text = _PARAMETER.sub("", inspect.cleandoc(text) + "\n")
    text = re.sub(r"\n(?=:(?:raises|returns)\b)", "\n\n", text)
    for part in filter(None, (part.strip("\n") for part in text.split("\n\n"))):
        field = _FIELD.match(part)
        if field:
            body = " ".join(part[field.end() :].split())
            yield f".TP\n.I {escape(field[1])}\n{escape(body)}"
        # What is indented keeps its lines.
        elif part.startswith(" ") or "\n  " in part:
            yield f".PP\n.nf\n{escape(part)}\n.fi"
        else:
            yield f".PP\n{escape(' '.join(part.split()))}"


def options(
    actions: list[argparse.Action], formatter: argparse.HelpFormatter
) -> Iterator[str]:
    """Describe flags and arguments."""
    for action in actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
            continue
        names = ", ".join(f"\\fB{escape(name)}\\fR" for name in action.option_strings)
        value = ""
        if action.nargs != 0:
            shown = action.metavar or action.dest.upper()
            value = f"\\fI{escape(str(shown))}\\fR"
        text = " ".join(formatter._expand_help(action).split()) if action.help else ""
        yield f".TP\n{' '.join(filter(None, (names, value)))}\n{escape(text)}"


def groups(parser: argparse.ArgumentParser, *, own: bool) -> Iterator[str]:
    """Describe the options of a parser.

    :param own: leave out those of the formatters, which are cliff's
    """
    formatter = argparse.HelpFormatter(parser.prog)
    for group in parser._action_groups:
        if not (own and of_formatters(group)):
            yield from options(group._group_actions, formatter)


def of_formatters(group: argparse._ArgumentGroup) -> bool:
    """Tell whether a group of options is for those that print tables."""
    return "formatter" in (group.title or "").lower()


def formatters(app: Networker) -> Iterator[str]:
    """Describe the options of all commands that print tables."""
    told = {}
    for words in ("dead list", "status"):
        factory, _, _ = app.command_manager.find_command(words.split())
        parser = factory(app, None).get_parser(f"networker {words}")
        formatter = argparse.HelpFormatter(parser.prog)
        for group in filter(of_formatters, parser._action_groups):
            told |= dict.fromkeys(options(group._group_actions, formatter))
    yield from told


def page(name: str, *sections: str) -> str:
    """Return a page with its head."""
    version = metadata.version("networker")
    head = f'.TH {escape(name).upper()} 1 "" "networker {version}" "networker"'
    summary = f".SH NAME\n{escape(name)} \\- {escape(_SUMMARIES[name])}"
    return (
        "\n".join(['.\\" Made by `make docs`; do not edit.', head, summary, *sections])
        + "\n"
    )


def usage(text: str) -> str:
    """Return a synopsis; what stands for something is in capitals."""
    return f".SH SYNOPSIS\n{escape(text)}"


def command(app: Networker, words: str) -> Iterator[str]:
    """Describe a command of ``networker``."""
    factory, _, _ = app.command_manager.find_command(words.split())
    found = factory(app, None)
    parser = found.get_parser(f"networker {words}")
    yield f'.SS "networker {escape(words)}"'
    yield from prose(found.get_description() or "")
    yield from groups(parser, own=isinstance(found, (Lister, ShowOne)))
    if parser.epilog:
        # Its first line is not indented, and the others keep what they are by.
        yield from prose("\n" + parser.epilog)


def networker_page() -> str:
    """Return networker(1)."""
    app = Networker()
    known = sorted(name for name, _ in app.command_manager)
    return page(
        "networker",
        usage("networker [OPTION ...] COMMAND [ARGUMENT ...]"),
        ".SH DESCRIPTION",
        *prose(app.parser.description or ""),
        ".SH OPTIONS",
        *groups(app.parser, own=False),
        ".SH OPTIONS OF COMMANDS THAT PRINT TABLES",
        *formatters(app),
        ".SH COMMANDS",
        *(text for name in known for text in command(app, name)),
        ".SH FILES",
        ".I /etc/networker/networker.conf",
        ".SH SEE ALSO\n.BR networker\\-worker (1),\n.BR networker\\-status (1)",
    )


def program_page(name: str, words: str, about: str) -> str:
    """Return the page of a program whose options are oslo.config's.

    :param words: that follow the options
    """
    config = conf.load(["--config-file", "/dev/null"], cfg.ConfigOpts(), name)
    parser = config._oparser  # as print_help does
    return page(
        name,
        usage(f"{name} [OPTION ...] {words}".strip()),
        ".SH DESCRIPTION",
        *prose(about),
        ".SH OPTIONS",
        *groups(parser, own=False),
        ".SH FILES",
        ".I /etc/networker/networker.conf",
        ".SH SEE ALSO\n.BR networker (1)",
    )


def pages() -> dict[str, str]:
    """Return all pages by the names of their programs."""
    return {
        "networker": networker_page(),
        "networker-status": program_page(
            "networker-status", "upgrade check [--json]", upgrade.ABOUT
        ),
        "networker-worker": program_page("networker-worker", "", service.ABOUT),
    }


if __name__ == "__main__":
    default = pathlib.Path(__file__).with_name("man")
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / f"{name}.1").write_text(text)
