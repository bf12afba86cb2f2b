# SPDX-License-Identifier: Apache-2.0
"""What networker's own processes log: whole lines, whoever wrote the text."""

from __future__ import annotations

import logging
import pathlib
import sys

import pytest
from oslo_config import cfg
from oslo_log import formatters, log

from networker import logs
from networker._text import printable
from networker.context import Context


@pytest.mark.parametrize(
    ("text", "most", "shown"),
    [
        ("a port", 99, "a port"),
        ("Straße", 99, "Straße"),
        ("one\ntwo\r\tthree", 99, r"one\ntwo\r\tthree"),
        ("\u2028\x85\x1b[2K\u202e", 99, r"\u2028\x85\x1b[2K\u202e"),
        ("\ud800\U000e0001", 99, r"\ud800\U000e0001"),
        ("x" * 10, 4, "xxxx..."),
        ("\n" * 10, 2, r"\n\n..."),
        ("", 4, ""),
    ],
)
def test_text_of_others_is_shown_in_one_line(text, most, shown):
    """What cannot be printed is escaped, and what is too long cut."""
    assert printable(text, most) == shown


def formatted(message: str, *arguments: object, error: BaseException | None) -> str:
    """Return what oslo.log makes of a record of ours."""
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf([])
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logs.Record(
        "networker", logging.ERROR, "file", 1, message, arguments, exc_info
    )
    return str(formatters.ContextFormatter(config=conf).format(record))


def test_a_message_is_one_line():
    """Line ends in what is logged do not begin another line."""
    text = formatted("the cloud said %s", "no\nforged", error=None)
    assert text.endswith(r"the cloud said no\nforged")
    assert len(text.splitlines()) == 1


def test_the_text_of_an_error_begins_no_line():
    """oslo.log repeats it behind the message, and each line of the traceback is marked."""

    def fail() -> None:
        raise ValueError("no\nforged [-] all is well")

    with pytest.raises(ValueError, match="forged") as raised:
        fail()
    text = formatted("it failed", error=raised.value)
    first, *others = text.splitlines()
    assert first.endswith(r"it failed: ValueError: no\nforged [-] all is well")
    assert others
    assert all(" ERROR networker " in line for line in others)


def test_the_caller_names_itself():
    """Host, program and process tell who asked; an older peer's context has no caller."""
    wire = Context.of_caller(None).to_wire()
    program = pathlib.PurePath(sys.argv[0]).name
    assert f":{program}:" in (Context.from_wire(wire).caller or "")
    del wire["caller"]
    assert Context.from_wire(wire).caller is None
    assert Context.from_wire(wire | {"caller": ["not", "text"]}).caller is None
    assert Context.from_wire(wire | {"caller": "a\nb"}).caller == r"a\nb"
