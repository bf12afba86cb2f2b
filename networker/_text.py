# SPDX-License-Identifier: Apache-2.0
"""Text that others have written, where it is shown in one line."""

from __future__ import annotations


def plain(text: str, most: int) -> str:
    """Return a text as it can be in a line of a log, which it neither ends nor hides.

    What cannot be printed, such as a line's end or a terminal's commands, is escaped.

    :param most: how many characters of it are shown
    """
    if len(text) <= most and text.isprintable():
        return text
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:most])
    return shown if len(text) <= most else f"{shown}..."
