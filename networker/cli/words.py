# SPDX-License-Identifier: Apache-2.0
"""Durations and long texts as people read them in a table."""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def ago(seconds: float | None) -> str:
    """Return a duration in at most four or five characters; nothing if it is not known."""
    if seconds is None:
        return ""
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f}s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f}m"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f}h"
    return f"{seconds / _DAY:.0f}d"


def short(text: str, most: int) -> str:
    """Return a text in at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
