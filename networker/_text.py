# SPDX-License-Identifier: Apache-2.0
"""Escape and shorten text that others have written, for one line of a log or an error."""

from __future__ import annotations

import reprlib

#: Characters that a line may take of what others sent.
LONGEST = 1000


def printable(text: str, most: int = LONGEST) -> str:
    """Return a text as it can be in a line of a log, which it neither ends nor hides.

    What cannot be printed, such as a line's end or a terminal's commands, is escaped.

    :param most: how many characters of it are shown
    """
    if len(text) <= most and text.isprintable():
        return text
    escaped = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:most])
    return escaped if len(text) <= most else f"{escaped}..."


def abbreviated(value: object) -> str:
    """Return what tells a value to people in one short line, however large it is."""
    return printable(reprlib.repr(value), 200)
