# SPDX-License-Identifier: Apache-2.0
"""Where programs among the tests put their files."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def kept_or_temporary(kept: pathlib.Path | None, what: str) -> Iterator[pathlib.Path]:
    """Return a directory, which is removed afterwards unless it is to be kept.

    :param kept: the one to keep; None for a temporary one
    :param what: a part of its name then
    """
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix=f"networker-{what}-") as made:
        yield pathlib.Path(made)
