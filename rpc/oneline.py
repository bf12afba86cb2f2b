# SPDX-License-Identifier: Apache-2.0
"""What others sent, as it may stand in a log or an error: in one line, and short."""

from __future__ import annotations

import logging
import reprlib
import threading
import time

from networker._text import plain

#: Characters that a line may take of what others sent.
LONGEST = 1000
#: Seconds between two lines about the same.
_INTERVAL = 60.0


def one_line(text: str, most: int = LONGEST) -> str:
    """Return a text without control characters, and cut if it is long.

    :param most: characters to keep of it
    """
    return plain(text, most)


def shown(value: object) -> str:
    """Return what tells a value to people, however large or deep it is."""
    return one_line(reprlib.repr(value), 200)


class Seldom:
    """Writes a warning at once, and those that follow at most once a minute.

    :param logger: where to
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._again = 0.0
        self._kept = 0

    def warning(self, text: str) -> None:
        """Write a line, or count it for the next one."""
        now = time.monotonic()
        with self._lock:
            if now < self._again:
                self._kept += 1
                return
            kept, self._kept, self._again = self._kept, 0, now + _INTERVAL
        more = f" (and {kept} more since the last such line)" if kept else ""
        self._logger.warning("%s%s", text, more)
