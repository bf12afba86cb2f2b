# SPDX-License-Identifier: Apache-2.0
"""Find ports, and make them once and only once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log

from networker.drivers import naming
from networker.drivers.flow import may_revert, without_deadline
from networker.drivers.neutron.api.answers import Json, PortAnswer
from networker.drivers.neutron.api.errors import MAC_IN_USE, Refused, is_in_doubt
from networker.drivers.neutron.api.requests import time_is_up
from networker.drivers.neutron.resources import ownership
from networker.drivers.neutron.resources.ownership import Again, Claimed, SharedPorts
from networker.exceptions import CloudUnavailable, NetworkException

LOG = log.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Ports(SharedPorts):
    """The ports of a cloud.

    :param api: Neutron
    :param conf: its group ``[neutron]`` has the prefix of MAC addresses
    """

    conf: cfg.ConfigOpts

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

    def _is(self, port: PortAnswer, body: Json) -> bool:
        owner = body.get("project_id") or self.api.project_id()
        return bool(port["name"] == body["name"] and port["project_id"] == owner)

    def delete(self, port_id: str) -> None:
        """Delete a port; it may be gone already."""
        self.api.delete(f"/ports/{port_id}")


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
