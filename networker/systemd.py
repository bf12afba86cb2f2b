# SPDX-License-Identifier: Apache-2.0
"""What systemd is told of a service, where it waits for that; see sd_notify(3)."""

from __future__ import annotations

import contextlib
import os
import socket
import time


def notify(*states: str) -> None:
    """Tell systemd; do nothing where it does not wait for that.

    :param states: assignments such as ``READY=1``; one line each, whatever is in them
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    message = "\n".join(" ".join(state.splitlines()) for state in states)
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock,
    ):
        sock.connect(address)
        sock.send(message.encode())


def reloading(status: str) -> None:
    """Tell systemd that a reload has begun, until the next ``READY=1``.

    :param status: what ``systemctl status`` shows meanwhile
    """
    # Type=notify-reload compares it with the time at which it sent the signal.
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify("RELOADING=1", f"MONOTONIC_USEC={now}", f"STATUS={status}")


def watchdog() -> float | None:
    """Return the seconds in which systemd wants ``WATCHDOG=1``; None: it does not."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID")
    if not usec.isdecimal() or int(usec) == 0 or pid not in (None, str(os.getpid())):
        return None
    return int(usec) / 1e6
