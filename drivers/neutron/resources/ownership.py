# SPDX-License-Identifier: Apache-2.0
"""Tell whose a change is, by marks that calls leave on the resources they rely on.

A call that fails takes back what it did. What it made may meanwhile be part of the result
of another copy of the same call, which found it there. Therefore whoever writes to a
resource of the driver's writes a mark into its description, a new one each time, and
whoever takes something back looks first whether its own mark is still there. What a call
makes itself is marked in the request that makes it. Only what is found needs a request
more, and not even that when it has been left alone for long: then no call is at it.
"""

from __future__ import annotations

import datetime
import itertools
import random
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import tenacity
from oslo_context import context as oslo_context

from networker.drivers.neutron.api.errors import Refused, is_gone
from networker.exceptions import NetworkException

Seen = TypeVar("Seen")
Result = TypeVar("Result")

#: Seconds after which no call can be busy any more with what was changed before.
_BUSY = 600.0
#: How often something is tried that another call gets in the way of.
TRIES = 10
_PLAIN = re.compile(r"[\w.:-]{1,64}", re.ASCII)


def new_mark() -> str:
    """Return a mark, which names the operation for people."""
    operation = getattr(oslo_context.get_current(), "operation_id", None) or "-"
    shown = operation if _PLAIN.fullmatch(operation) else "-"
    return f"networker {shown} {uuid.uuid4().hex[:12]}"


def another_mark(resource: Mapping[str, Any]) -> str:
    """Return a mark for a resource that is not changed: it tells as before who did."""
    before = origin(resource)
    return f"{before} {uuid.uuid4().hex[:12]}" if before else new_mark()


def origin(resource: Mapping[str, Any]) -> str:
    """Return the mark of the call that changed a resource; empty if it has none."""
    words = str(resource.get("description") or "").split(" ")
    return " ".join(words[:3]) if words[0] == "networker" else ""


def same_mark(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two views of a resource have the same mark."""
    return bool(one.get("description") == other.get("description"))


def is_recent(resource: Mapping[str, Any]) -> bool:
    """Tell whether another call may still be busy with a resource."""
    age = datetime.datetime.now(datetime.UTC) - time_of(resource["updated_at"])
    return age.total_seconds() < _BUSY


def time_of(text: str) -> datetime.datetime:
    """Read a time as Neutron writes it."""
    return datetime.datetime.fromisoformat(text)


class Again(Exception):
    """Another try can help: something is not, or not known to be, as it was seen.

    :param error: what is wrong if no try helps
    """

    def __init__(self, error: NetworkException) -> None:
        super().__init__(str(error))
        self.error = error


def overtaken(what: str) -> Again:
    """Return what to raise when another call has changed something meanwhile.

    :param what: kind and id of what was changed
    """
    text = f"{what} was changed by others all the time"
    return Again(Refused(orig_msg=text, orig_code=412))


def persist(
    act: Callable[[], Result], *, tries: int = TRIES, pause: float = 0.0
) -> Result:
    """Do something, and do it again as long as that can help.

    :param act: raises :class:`Again` if so
    :param tries: how often at most
    :param pause: seconds of the longest pause before another try
    :raises NetworkException: what was wrong at the last try
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Again),
        stop=tenacity.stop_after_attempt(tries),
        wait=lambda _: random.uniform(0, pause) if pause else 0,  # noqa: S311 - no secret
        reraise=True,
    )
    try:
        return retrying(act)
    except Again as again:
        raise again.error from again.error.__cause__


def persist_on(
    seen: Seen,
    act: Callable[[Seen], Result],
    look: Callable[[], Seen],
    *,
    tries: int = TRIES,
    pause: float = 0.0,
) -> Result:
    """Do something with what was seen, and before each other try look again.

    :param act: raises :class:`Again` if another try can help
    """
    views = itertools.chain([seen], iter(look, object()))
    return persist(lambda: act(next(views)), tries=tries, pause=pause)


def repeat_if_gone(call: Callable[[set[str]], Result]) -> Result:
    """Repeat a call when something that it found was taken away meanwhile.

    :param call: is given a set to which it adds the ids of what it relies on
    """

    def act() -> Result:
        relied: set[str] = set()
        try:
            return call(relied)
        except Refused as refused:
            text = refused.orig_msg or ""
            if is_gone(refused) and any(one in text for one in relied):
                raise Again(refused) from refused
            raise

    return persist(act)
