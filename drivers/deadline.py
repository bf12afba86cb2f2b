# SPDX-License-Identifier: Apache-2.0
"""Nobody waits any more for what is done after its deadline."""

from __future__ import annotations

from oslo_context import context as oslo_context

from networker.context import Context
from networker.exceptions import CloudUnavailable


def require_time() -> None:
    """Make sure that the caller still waits for what the thread works on.

    :raises CloudUnavailable: the deadline has passed
    """
    context = oslo_context.get_current()
    if isinstance(context, Context) and context.expired():
        raise CloudUnavailable(orig_msg="it was done after the deadline, and is undone")
