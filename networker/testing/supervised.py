# SPDX-License-Identifier: Apache-2.0
"""A task with processes and files of its own, of which nothing is left.

The task runs in a child. This process only waits, for it or for a signal, so that a signal
finds no file or process half made, however deep in the task it comes: everything that
descends from the child is killed, and then its directory removed. When this process itself
is killed with SIGKILL, the child does the same.

It is imported before anything else and so imports little.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import NoReturn

_ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
#: Linux's names: `man 2 prctl`.
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
#: Clears the line, and shows the cursor that a progress bar has hidden.
_RESTORED = "\r\x1b[2K\x1b[?25h"


def supervised(task: Callable[[], int], prefix: str) -> int:
    """Run a task in a child, and leave nothing of it.

    SIGINT, SIGTERM and SIGHUP end it at once, with one line on stderr; further ones change
    nothing.

    :param task: returns an exit code, or raises SystemExit; its temporary files are in the
        directory that goes
    :param prefix: of that directory's name
    :returns: the exit code, 128 and the signal's number if one ended it
    """
    waited = _ENDING | {signal.SIGCHLD}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    directory = tempfile.mkdtemp(prefix=prefix)
    parent, child = os.getpid(), os.fork()
    if not child:
        _run(task, directory, parent, mask)
    code = _wait(child, waited)
    _end(directory)
    if code > 128:
        if sys.stdout.isatty():
            print(end=_RESTORED, flush=True)
        name = signal.Signals(code - 128).name
        print(f"networker: ended by {name}, and all that it had begun", file=sys.stderr)
    return code


def _wait(child: int, signals: frozenset[signal.Signals]) -> int:
    while True:
        number = signal.sigwaitinfo(signals).si_signo
        if number in _ENDING:
            return 128 + number
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:  # and not only one that the child has left to us
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _run(
    task: Callable[[], int], directory: str, parent: int, mask: set[int]
) -> NoReturn:
    """Run the task as the child, whose parent gets the signals of a terminal."""

    def orphaned(*_: object) -> None:
        _end(directory)
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, orphaned)
    for number in (signal.SIGINT, signal.SIGHUP):
        # Not ignored: what it starts would ignore them too.
        signal.signal(number, lambda *_: None)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        orphaned()
    os.environ["TMPDIR"] = tempfile.tempdir = directory
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    code: object = 1
    try:
        code = task()
    except SystemExit as exited:
        code = exited.code
    finally:
        if sys.exc_info()[0]:
            traceback.print_exc()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code if isinstance(code, int) else int(bool(code)))


def _end(directory: str) -> None:
    """Kill all descendants of this process, and remove a directory."""
    with contextlib.suppress(ChildProcessError):  # there is none any more
        while True:
            children = _children()
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            # What a child leaves comes to us, to be found next time.
            os.waitpid(-1, 0 if children else os.WNOHANG)
    shutil.rmtree(directory, ignore_errors=True)


def _children() -> list[int]:
    me, found = str(os.getpid()), []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[1] == me:
                    found.append(int(entry.name))
    return found


def _prctl(option: int, value: int) -> None:
    """Set what Linux has for this process; elsewhere there is nothing to set."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(option, value, 0, 0, 0)
