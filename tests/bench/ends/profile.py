# SPDX-License-Identifier: Apache-2.0
"""Where an end spends its processor time, over all its threads."""

from __future__ import annotations

import collections
import contextlib
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import yappi

#: Functions that are shown.
_TOP = 25


@contextlib.contextmanager
def profiled(path: str) -> Iterator[None]:
    """Profile a block, and write the functions that cost most.

    :param path: of the text that is written; nothing is profiled if it is empty
    """
    if not path:
        yield
        return
    yappi.clear_stats()
    yappi.set_clock_type("cpu")
    yappi.set_context_name_callback(lambda: threading.current_thread().name)
    yappi.start()
    try:
        yield
    finally:
        yappi.stop()
        functions = list(yappi.get_func_stats())
        parts = [
            "processor time by threads of one name",
            *_threads(),
            "\nfunctions by their time with what they call",
            *_lines(sorted(functions, key=lambda f: -f.ttot)),
            "\nfunctions by their own time",
            *_lines(sorted(functions, key=lambda f: -f.tsub)),
        ]
        pathlib.Path(path).write_text("\n".join(parts) + "\n")


def _threads() -> list[str]:
    spent: collections.Counter[str] = collections.Counter()
    for thread in yappi.get_thread_stats():
        spent[thread.name.partition(" ")[0].rstrip("-0123456789")] += thread.ttot
    return [f"{1000 * time:9.1f} ms  {name}" for name, time in spent.most_common(_TOP)]


def _lines(functions: list[Any]) -> list[str]:
    lines = ["    calls     own ms    with ms"]
    for found in functions[:_TOP]:
        times = f"{1000 * found.tsub:10.1f} {1000 * found.ttot:10.1f}"
        where = "/".join(pathlib.Path(found.module).parts[-2:])
        lines.append(f"{found.ncall:9} {times}  {found.name} {where}:{found.lineno}")
    return lines
