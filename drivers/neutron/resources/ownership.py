# SPDX-License-Identifier: Apache-2.0
"""Change what calls at the same time share, and take it back where nobody relies on it.

Copies of a call, and different calls for one load balancer, run at the same time in several
workers, and each can fail at any request. All that they share is Neutron, which has no lock
to offer. So they follow one protocol, which is this module.

What Neutron makes unique
    A MAC address on a network, and a rule in a security group. Whoever comes second is
    refused, and takes what is there. The name of a group is not unique: calls of which each
    made one have to agree (:mod:`.group_agreement`).

What Neutron checks too early
    The revision number that If-Match names, before the transaction that writes: of two
    changes at the same moment both can pass. But it counts each: where the answer's number
    is higher than the own change makes it, somebody else was at it (:func:`surplus`). And
    whether a group that is to be deleted is in use, which nobody can see afterwards.

Rely
    Who builds on what another call may have made or changed just now leaves a trace on it:
    a port in the group, a rule more or less, or else a mark in the description, which is a
    new one each time. What has been left alone for ten minutes needs none: no call is at it
    any more. What a call makes bears its mark from the request on that makes it. A user's
    port is never marked, since its description is the user's.

Change
    Compare what is there with what is wanted; write what is different, and a mark, as it
    was seen; notice from the answer whether nobody else did. Who was overtaken looks again,
    relies on what is there now, and begins anew, for which :func:`persist` is the one
    policy. Who was not alone shares the change with another call, and does not take it
    back. Where the answer is lost, the change counts as made.

Revert
    Look first: what bears another mark, or was changed more often than by this call, is
    another call's too, and stays. Else change it back as it was seen, and look at the
    answer: if another call came in between, do it again. What was made is deleted in the
    same way. So of a call that takes something back and another one that relies on it, at
    least one sees the other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import random
import re
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar, cast

import tenacity
from oslo_context import context as oslo_context
from oslo_log import log

from networker.drivers import naming
from networker.drivers.flow import OnFailure
from networker.drivers.neutron.api.answers import Json, PortAnswer
from networker.drivers.neutron.api.errors import (
    ADDRESS_IN_USE,
    PAIR_TWICE,
    Refused,
    is_gone,
    is_in_doubt,
    unless_gone,
)
from networker.drivers.neutron.api.requests import Api
from networker.drivers.neutron.api.translation import attributes, difference
from networker.exceptions import NetworkException

LOG = log.getLogger(__name__)
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


def is_ours(port: PortAnswer) -> bool:
    """Tell whether a driver of load balancers made a port, this one or Octavia's."""
    return str(port["name"]).startswith(naming.OURS)


def is_lent(port: PortAnswer) -> bool:
    """Tell whether a port on which a VIP is put was made for something else."""
    made = str(port["name"]).startswith(naming.VRRP)
    return not made and port["device_owner"] != naming.OWNER


def is_marked(port: PortAnswer) -> bool:
    """Tell whether calls see each other by marks in a port's description.

    Those of other ports are users' words.
    """
    return is_ours(port) or bool(origin(port))


def was_changed(port: PortAnswer) -> bool:
    """Tell whether a call has changed a port just now, and has not only made it: as 1."""
    return bool(port["revision_number"] > 1 and is_recent(port))


def counted(changed: Collection[str]) -> int:
    """Return by how much Neutron raises a port's revision number at most.

    It counts a change of the description, and one of everything else together.

    :param changed: the attributes that are changed at once
    """
    return ("description" in changed) + bool(set(changed) - {"description"})


def surplus(port: PortAnswer, changed: Collection[str], after: PortAnswer) -> int:
    """Return how many changes of a port were other calls'.

    One that puts it into the group in which it is by then can count less, or nothing.

    :param port: as it was seen
    :param changed: the attributes that this call has changed
    :param after: the answer to that, or the port since then
    """
    return after["revision_number"] - port["revision_number"] - counted(changed)


def is_alone(port: PortAnswer, changed: Collection[str], after: PortAnswer) -> bool:
    """Tell whether nobody else has changed a port since it was seen."""
    return surplus(port, changed, after) <= 0


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

    :param act: raises :class:`Again` if it can
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


@dataclasses.dataclass(frozen=True)
class Claimed:
    """A port that is there for a purpose.

    :param port: the port as Neutron shows it
    :param made: whether this call made it, and has to remove it if it fails
    """

    port: PortAnswer
    made: bool


@dataclasses.dataclass(frozen=True)
class Changed(Claimed):
    """A port that is as it should be.

    :param port: as it is now, or was when it was marked last
    :param before: its changed attributes as they were; empty if they need not come back
    :param revision: where it is not known whether the port was changed, the number that it
        has if it was, and by nobody else
    """

    before: Json
    revision: int | None = None


def possibly_changed(port: PortAnswer, change: Json, before: Json) -> Changed:
    """Return a port whose change may have been made, for :meth:`SharedPorts.revert`.

    :param port: as it was seen
    :param before: what is to come back of it
    """
    after = cast("PortAnswer", {**port, **change})
    revision = port["revision_number"] + counted(change)
    return Changed(after, False, before, revision)


@dataclasses.dataclass(frozen=True)
class SharedPorts:
    """Ports that calls at the same time rely on, change, and take back.

    :param api: Neutron
    """

    api: Api

    def get(self, port_id: str) -> PortAnswer:
        """Return a port."""
        port: PortAnswer = self.api.get(f"/ports/{port_id}")["port"]
        return port

    def find(self, port_id: str) -> PortAnswer | None:
        """Return a port, None if it does not exist."""
        return unless_gone(lambda: self.get(port_id))

    def rely(self, port: PortAnswer) -> PortAnswer | None:
        """Rely on a port as it is, which another call may have changed just now.

        :returns: the port as it is then, None if it is gone
        """
        shared = is_marked(port) and is_recent(port)
        return self.mark(port["id"]) if shared else port

    def rely_on_change(self, port: PortAnswer) -> PortAnswer | None:
        """Rely on what another call may have changed of a port, and not only made.

        The mark tells as before with which group the port goes.

        :returns: the port as it is then, None if it is gone
        """
        shared = was_changed(port)
        return self.mark(port["id"], another_mark(port)) if shared else port

    def mark(self, port_id: str, mark: str = "") -> PortAnswer | None:
        """Rely on a port of the driver's that another call has made or changed just now.

        :param mark: a new one if it is empty
        :returns: the port as it is then, None if it is gone
        """
        marking = {"description": mark or new_mark()}
        return unless_gone(lambda: self.update(port_id, marking))

    def mark_alone(self, port: PortAnswer) -> PortAnswer:
        """Mark a port before a change that would overwrite what others write.

        :raises Again: somebody has changed it meanwhile, or is about to
        """
        marking = {"description": new_mark()}
        return self.write_alone(port, marking) if is_marked(port) else port

    def update(self, port_id: str, changes: Json) -> PortAnswer:
        """Change a port, whatever others do, and return it."""
        return persist(lambda: self._put(port_id, changes))

    def write(self, port: PortAnswer, changes: Json) -> PortAnswer:
        """Change a port as it was seen, and return it.

        :raises Again: it has been changed meanwhile
        """
        return self._put(port["id"], changes, port["revision_number"])

    def try_write(self, port: PortAnswer, changes: Json) -> PortAnswer | None:
        """Change a port as it was seen; None if it has been changed meanwhile."""
        with contextlib.suppress(Again):
            return self.write(port, changes)
        return None

    def write_alone(self, port: PortAnswer, changes: Json) -> PortAnswer:
        """Change a port as it was seen, and make sure that nobody else did.

        :raises Again: somebody has changed it meanwhile
        """
        after = self.write(port, changes)
        if not is_alone(port, changes, after):
            raise overtaken(f"port {port['id']}")
        return after

    def _put(
        self, port_id: str, changes: Json, revision: int | None = None
    ) -> PortAnswer:
        body = {"port": changes}
        try:
            answer = self.api.put(f"/ports/{port_id}", body, revision)
        except Refused as refused:
            if refused.orig_code == 412 and revision is not None:
                raise overtaken(f"port {port_id}") from refused
            if self._was_overtaken(port_id, changes, refused):
                raise Again(refused) from refused
            raise
        port: PortAnswer = answer["port"]
        return port

    def _was_overtaken(self, port_id: str, changes: Json, refused: Refused) -> bool:
        """Tell whether a change was refused because another gave the port the same.

        Of two changes of a port whose revision Neutron has compared, the second writes what
        it has not seen that the first one wrote. It is refused as if it named something
        twice, or something of another port's, and nothing of it is done.
        """
        if refused.kind == PAIR_TWICE:
            pairs = changes.get("allowed_address_pairs") or []
            named = {(one.get("mac_address"), one["ip_address"]) for one in pairs}
            return bool(pairs) and len(named) == len(pairs)
        if refused.kind not in ADDRESS_IN_USE:
            return False
        port = self.find(port_id)
        held = port["fixed_ips"] if port else []
        words = (refused.orig_msg or "").split()
        return any(one["ip_address"] in words for one in held)

    def change(
        self,
        claimed: Claimed,
        wanted: Callable[[PortAnswer], Json],
        on_failure: OnFailure | None = None,
    ) -> Changed:
        """Change a port as it should be.

        :param wanted: tells what to change of the port as it is
        :param on_failure: is told what changes it back
        """

        def act(port: PortAnswer) -> Changed:
            change = wanted(port)
            if not change:
                return Changed(port, claimed.made, {})
            if claimed.made:
                return self._complete(port, change)
            return self._change_marked(port, change, on_failure)

        def look() -> PortAnswer:
            port = self.get(claimed.port["id"])
            if claimed.made and same_mark(port, claimed.port):
                return port
            return self.rely(port) or self.get(port["id"])

        return persist_on(claimed.port, act, look)

    def _complete(self, port: PortAnswer, change: Json) -> Changed:
        """Change a port that this call made.

        Another call may have found the port and given it the same, which it takes back if
        it fails, unless it sees that this one relies on it.
        """
        return Changed(self.write_alone(port, change), True, {})

    def _change_marked(
        self, port: PortAnswer, change: Json, outer: OnFailure | None
    ) -> Changed:
        """Change a port that was found."""
        marking = {"description": new_mark()} if is_marked(port) else {}
        before = attributes(port, change)
        with (
            OnFailure(f"change of port {port['id']}", outer) as on_failure,
            self.doubting(port, change | marking, before, on_failure),
        ):
            after = self.write(port, change | marking)
            # The mark counts as a change of its own.
            alone = is_alone(port, [*change, "description"], after)
            changed = Changed(after, False, before if alone else {})
            on_failure(self.revert, changed)
        return changed

    @contextlib.contextmanager
    def doubting(
        self, port: PortAnswer, change: Json, before: Json, on_failure: OnFailure
    ) -> Iterator[None]:
        """Have a change taken back of which it is not known whether it was made.

        :param port: as it was seen
        :param before: what is to come back of it
        """
        try:
            yield
        except NetworkException as error:
            if is_in_doubt(error):
                on_failure(self.revert, possibly_changed(port, change, before))
            raise

    def revert(self, changed: Changed) -> None:
        """Change a port back unless another call has come to rely on it."""
        now = self.find(changed.port["id"]) if changed.before else None
        if now is None:
            return
        if not same_mark(now, changed.port) or _has_others(now, changed.revision):
            LOG.warning("port %s is another call's too, and stays", now["id"])
            return
        change = difference(now, changed.before)
        after = self.try_write(now, change) if change else None
        if after and not is_alone(now, change, after):
            # Another call has come to rely on it just before.
            LOG.warning("port %s is another call's too, and is as it was", now["id"])
            self.update(now["id"], attributes(now, change))

    def disclaim(self, claimed: Claimed) -> None:
        """Delete a port that was made, which Nova then takes from its server."""
        if claimed.made:
            self.delete_unmarked(claimed.port)

    def delete_unmarked(self, port: PortAnswer) -> None:
        """Delete a port unless another call has come to rely on it."""

        def act() -> None:
            now = self.find(port["id"])
            if now is None:
                return
            if not same_mark(now, port):
                LOG.warning("port %s is another call's too, and stays", port["id"])
                return
            try:
                self.api.delete(f"/ports/{port['id']}", now["revision_number"])
            except Refused as refused:
                if refused.orig_code == 412:
                    raise Again(refused) from refused
                raise

        persist(act)


def _has_others(port: PortAnswer, revision: int | None) -> bool:
    """Tell by a port's revision number whether another call has changed it.

    Its mark may have been overwritten by the change of which the answer is lost.
    """
    if revision is None:
        return False
    now = port["revision_number"]
    return now > revision if is_marked(port) else now != revision
