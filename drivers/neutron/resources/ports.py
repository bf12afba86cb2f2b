# SPDX-License-Identifier: Apache-2.0
"""Find ports, make them once and only once, change them, and revert changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from oslo_config import cfg
from oslo_log import log

from networker.drivers import naming
from networker.drivers.flow import may_revert, reverting, without_deadline
from networker.drivers.neutron.api.answers import Json, PortAnswer
from networker.drivers.neutron.api.errors import (
    ADDRESS_IN_USE,
    MAC_IN_USE,
    PAIR_TWICE,
    Refused,
    is_gone,
    is_in_doubt,
)
from networker.drivers.neutron.api.requests import Api, time_is_up
from networker.drivers.neutron.resources import ownership
from networker.drivers.neutron.resources.ownership import Again, overtaken
from networker.exceptions import CloudUnavailable, NetworkException

LOG = log.getLogger(__name__)

#: What Neutron numbers a port that was never changed.
_AS_MADE = 1


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


@dataclasses.dataclass(frozen=True)
class Ports:
    """The ports of a cloud.

    :param api: Neutron
    :param conf: its group ``[neutron]`` has the prefix of MAC addresses
    """

    api: Api
    conf: cfg.ConfigOpts

    def get(self, port_id: str) -> PortAnswer:
        """Return a port."""
        port: PortAnswer = self.api.get(f"/ports/{port_id}")["port"]
        return port

    def find(self, port_id: str) -> PortAnswer | None:
        """Return a port, None if it does not exist."""
        try:
            return self.get(port_id)
        except Refused as refused:
            if not is_gone(refused):
                raise
            return None

    def list(self, **filters: str | Sequence[str]) -> list[PortAnswer]:
        """Return ports whose attributes have one of the given values.

        :raises ValueError: there is no filter, or one without a value, which Neutron would
            take for none
        """
        empty = [name for name, value in filters.items() if not any(value)]
        if empty or not filters:
            raise ValueError(f"no value to filter ports by: {empty}")
        query: dict[str, Any] = filters
        found: list[Any] = self.api.list("/ports", **query)
        return found

    def claim(self, body: Json, *purpose: str) -> Claimed:
        """Make a port, or find the one that was made for the same purpose.

        Two callers at once end with one port, since Neutron takes a MAC address only once
        on a network. Ports are not made in bulk: Neutron 29 looks at MAC addresses before
        the transaction that it repeats, so that of two bulk requests at once one fails
        after more than two minutes; of two single ones, at once.

        :param body: the port, without its MAC address
        :param purpose: what makes it unique on its network, see :mod:`..naming`
        :raises Refused: the cloud refused, or another port has a wanted address
        """
        salt, mark = self._salt_of(body, purpose), ownership.new_mark()

        def act() -> Claimed:
            nonlocal salt
            mac = self._mac(purpose, salt)
            wanted = {**body, "mac_address": mac, "description": mark}
            if "fixed_ips" in body:
                wanted["fixed_ips"] = naming.without_derived(body["fixed_ips"], mac)
            try:
                return self._make(wanted)
            except Refused as refused:
                # Whatever the conflict is, it can be with the same call made elsewhere.
                if refused.orig_code != 409:
                    raise
                held = self._holder(wanted)
                ours = held is not None and self._is(held, body)
                claimed = self._found(held, wanted) if held and ours else None
                if claimed:
                    return claimed
                if refused.kind not in MAC_IN_USE and not ours:
                    raise
                # Nobody has it any more, or somebody else has.
                salt += held is not None and not ours
                raise Again(refused) from refused

        return ownership.persist(act)

    def _mac(self, purpose: Sequence[str], salt: int) -> str:
        salted = (*purpose, str(salt)) if salt else purpose
        return naming.mac_address(self.conf.neutron.mac_prefix, *salted)

    def _salt_of(self, body: Json, purpose: Sequence[str]) -> int:
        """Return the salt of a lost port that had derived an address that is wanted."""
        wanted = [place.get("ip_address") for place in body.get("fixed_ips", ())]
        for salt in range(1, ownership.TRIES if any(wanted) else 1):
            mac = self._mac(purpose, salt)
            if any(naming.is_derived(address, mac) for address in wanted):
                return salt
        return 0

    def _make(self, wanted: Json) -> Claimed:
        try:
            port = self.api.post("/ports", {"port": wanted})["port"]
        except (Refused, CloudUnavailable) as error:
            if not is_in_doubt(error) or not may_revert():
                raise
            late = time_is_up()
            with without_deadline():
                port = self._made_after_all(wanted, error)
                if late:
                    LOG.warning("port %s was made after the deadline", port["id"])
                    self.delete_unmarked(port)
                    raise
        return Claimed(port, made=True)

    def _made_after_all(self, wanted: Json, error: NetworkException) -> PortAnswer:
        """Return a port that may have been made, or may be just now.

        Asking for it once more answers only after that; then it is there for certain.

        :raises NetworkException: it is not there: the given error, or a conflict
        """
        conflict = False
        try:
            port: PortAnswer = self.api.post("/ports", {"port": wanted})["port"]
        except (Refused, CloudUnavailable) as again:
            conflict = again.orig_code == 409
        else:
            return port
        held = self._holder(wanted)
        if held and ownership.same_mark(held, wanted):
            return held
        if conflict:
            text = "another port was made meanwhile"
            raise Refused(orig_msg=text, orig_code=409, kind="MacAddressInUse")
        raise error

    def _holder(self, wanted: Json) -> PortAnswer | None:
        place = {key: wanted[key] for key in ("network_id", "mac_address")}
        return next(iter(self.list(**place)), None)

    def _found(self, held: PortAnswer, wanted: Json) -> Claimed | None:
        """Claim a port that is there; None if it is so no longer."""
        if ownership.same_mark(held, wanted):
            return Claimed(held, made=True)
        port = self.mark(held["id"])
        if port and not port["fixed_ips"] and not is_attached(port):
            # A worker died that had made it where there was no subnet.
            self.delete_unmarked(port)
            port = None
        return Claimed(port, made=False) if port else None

    def mark(self, port_id: str, mark: str = "") -> PortAnswer | None:
        """Rely on a port of the driver's that another call may have made just now.

        :param mark: a new one if it is empty
        :returns: the port as it is then, None if it is gone
        """
        try:
            return self.update(port_id, {"description": mark or ownership.new_mark()})
        except Refused as refused:
            if not is_gone(refused):
                raise
            return None

    def _is(self, port: PortAnswer, body: Json) -> bool:
        owner = body.get("project_id") or self.api.project_id()
        return bool(port["name"] == body["name"] and port["project_id"] == owner)

    def update(self, port_id: str, changes: Json) -> PortAnswer:
        """Change a port, whatever others do, and return it."""
        return ownership.persist(lambda: self._put(port_id, changes))

    def change(self, port: PortAnswer, changes: Json) -> PortAnswer:
        """Change a port as it was seen.

        :raises Again: it has been changed meanwhile
        """
        return self._put(port["id"], changes, port["revision_number"])

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

    def delete(self, port_id: str) -> None:
        """Delete a port; it may be gone already."""
        self.api.delete(f"/ports/{port_id}")

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
            if not ownership.same_mark(now, port):
                LOG.warning("port %s is another call's too, and stays", port["id"])
                return
            try:
                self.api.delete(f"/ports/{port['id']}", now["revision_number"])
            except Refused as refused:
                if refused.orig_code == 412:
                    raise Again(refused) from refused
                raise

        ownership.persist(act)

    def ensure(self, claimed: Claimed, wanted: Callable[[PortAnswer], Json]) -> Changed:
        """Change a port; taken back by :meth:`revert`.

        :param wanted: tells what to change of the port as it is
        """
        give = self._complete if claimed.made else self._change_marked

        def act(port: PortAnswer) -> Changed:
            change = wanted(port)
            return give(port, change) if change else Changed(port, claimed.made, {})

        def look() -> PortAnswer:
            port = self.get(claimed.port["id"])
            own = claimed.made and ownership.same_mark(port, claimed.port)
            return port if own else self.rely(port)

        return ownership.persist_on(claimed.port, act, look)

    def rely(self, port: PortAnswer) -> PortAnswer:
        """Rely on a port as it is, which another call may have changed just now."""
        if is_marked(port) and ownership.is_recent(port):
            return self.mark(port["id"]) or self.get(port["id"])
        return port

    def change_alone(self, port: PortAnswer, change: Json) -> PortAnswer:
        """Change a port as it was seen, and make sure that nobody else did.

        :raises Again: somebody has changed it meanwhile
        """
        after = self.change(port, change)
        if not is_alone(port, change, after):
            raise overtaken(f"port {port['id']}")
        return after

    def _complete(self, port: PortAnswer, change: Json) -> Changed:
        """Change a port that this call made.

        Another call may have found the port and given it the same, which it takes back if
        it fails, unless it sees that this one relies on it.
        """
        return Changed(self.change_alone(port, change), True, {})

    def _change_marked(self, port: PortAnswer, change: Json) -> Changed:
        """Change a port that was found."""
        marking = {"description": ownership.new_mark()} if is_marked(port) else {}
        before = attributes(port, change)
        with reverting("change") as on_failure:
            try:
                after = self.change(port, change | marking)
            except NetworkException as error:
                if is_in_doubt(error):
                    on_failure(
                        self.revert, possibly_changed(port, change | marking, before)
                    )
                raise
        # The mark counts as a change of its own.
        alone = is_alone(port, [*change, "description"], after)
        return Changed(after, False, before if alone else {})

    def revert(self, changed: Changed) -> None:
        """Change a port back unless another call has come to rely on it."""
        now = self.find(changed.port["id"]) if changed.before else None
        if now is None:
            return
        if not ownership.same_mark(now, changed.port) or _has_others(
            now, changed.revision
        ):
            LOG.warning("port %s is another call's too, and stays", now["id"])
            return
        change = difference(now, changed.before)
        try:
            after = self.change(now, change) if change else now
        except Again:
            return
        if not is_alone(now, change, after):
            # Another call has come to rely on it just before.
            LOG.warning("port %s is another call's too, and is as it was", now["id"])
            self.update(now["id"], attributes(now, change))


def possibly_changed(port: PortAnswer, change: Json, before: Json) -> Changed:
    """Return a port whose change may have been made, for :meth:`Ports.revert`.

    :param port: as it was seen
    :param before: what is to come back of it
    """
    revision = port["revision_number"] + counted(change)
    return Changed(with_changes(port, change), False, before, revision)


def require_address(port: PortAnswer) -> None:
    """Refuse a port without an address, with which nobody could do anything.

    Neutron makes it where the network has no subnet, or defers the choice of its addresses
    to when a server gets the port (routed provider networks).

    :raises Refused: it has none
    """
    if not port["fixed_ips"]:
        text = (
            f"network {port['network_id']} gave port {port['id']} no address: it has "
        )
        text += "no subnet, or gives addresses only to ports of servers"
        raise Refused(orig_msg=text)


def is_attached(port: PortAnswer) -> bool:
    """Tell whether a server has a port."""
    return str(port["device_owner"]).startswith("compute:")


def is_ours(port: PortAnswer) -> bool:
    """Tell whether a driver of load balancers made a port, this one or Octavia's."""
    return str(port["name"]).startswith(naming.OURS)


def is_lent(port: PortAnswer) -> bool:
    """Tell whether a port on which a VIP is put was made for something else."""
    made = str(port["name"]).startswith(naming.VRRP)
    return not made and port["device_owner"] != naming.OWNER


def was_changed(port: PortAnswer) -> bool:
    """Tell whether a call has changed a port just now, and has not only made it."""
    return bool(port["revision_number"] > _AS_MADE and ownership.is_recent(port))


def is_marked(port: PortAnswer) -> bool:
    """Tell whether calls see each other by marks in a port's description.

    Those of other ports are users' words.
    """
    return is_ours(port) or bool(ownership.origin(port))


def counted(changed: Collection[str]) -> int:
    """Return by how much Neutron raises a port's revision number at most.

    It counts a change of the description, and one of everything else together.

    :param changed: the attributes that are changed at once
    """
    return ("description" in changed) + bool(set(changed) - {"description"})


def is_alone(port: PortAnswer, changed: Collection[str], after: PortAnswer) -> bool:
    """Tell whether nobody else has changed a port since it was seen.

    :param port: as it was seen
    :param changed: the attributes that were changed
    :param after: the answer to that
    """
    return bool(after["revision_number"] <= port["revision_number"] + counted(changed))


def attributes(port: PortAnswer, names: Iterable[str]) -> Json:
    """Return some attributes of a port as they are, such as to change them back."""
    held: Mapping[str, Any] = port
    return {name: held[name] for name in names}


def with_changes(port: PortAnswer, changes: Mapping[str, Any]) -> PortAnswer:
    """Return a port as it is after changes."""
    return cast("PortAnswer", {**port, **changes})


def difference(port: PortAnswer, wanted: dict[str, Any]) -> Json:
    """Return what of a port's attributes is not as wanted.

    :param wanted: attributes; ``security_groups`` in any order
    """
    return {
        name: value
        for name, value in wanted.items()
        if _comparable(port.get(name)) != _comparable(value)
    }


def _comparable(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return sorted(_identity(v) if isinstance(v, dict) else v for v in value)


def _identity(place: Json) -> str:
    """Return what tells an address or an address pair from others.

    An address that is only wanted is named by its subnet, and is no address of a port's.
    """
    return str(place.get("ip_address") or f"any of {place.get('subnet_id')}")


def _has_others(port: PortAnswer, revision: int | None) -> bool:
    """Tell by a port's revision number whether another call has changed it.

    Its mark may have been overwritten by the change of which the answer is lost.
    """
    if revision is None:
        return False
    now = int(port["revision_number"])
    return now > revision if is_marked(port) else now != revision
