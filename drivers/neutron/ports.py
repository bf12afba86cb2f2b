# SPDX-License-Identifier: Apache-2.0
"""Ports: found, made once and only once, changed, deleted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log

from networker.drivers import naming
from networker.drivers.flow import without_deadline
from networker.drivers.neutron.api import Api, time_is_up
from networker.drivers.neutron.errors import MAC_IN_USE, Refused
from networker.drivers.neutron.translate import Json
from networker.exceptions import CloudUnavailable

LOG = log.getLogger(__name__)

#: How often a port is tried to be made or found, with other MAC addresses if need be.
_TRIES = 5


@dataclasses.dataclass(frozen=True)
class Claimed:
    """A port that is there for a purpose.

    :param port: the port as Neutron shows it
    :param made: whether this call made it, and has to remove it if it fails
    """

    port: Json
    made: bool


@dataclasses.dataclass(frozen=True)
class Ports:
    """The ports of a cloud.

    :param api: Neutron
    :param conf: its group ``[neutron]`` has the prefix of MAC addresses
    """

    api: Api
    conf: cfg.ConfigOpts

    def get(self, port_id: str) -> Json:
        """Return a port."""
        port: Json = self.api.get(f"/ports/{port_id}")["port"]
        return port

    def find(self, port_id: str) -> Json | None:
        """Return a port, None if it does not exist."""
        try:
            return self.get(port_id)
        except Refused as refused:
            if refused.orig_code != 404:
                raise
            return None

    def list(self, **filters: str | Sequence[str]) -> list[Json]:
        """Return ports whose attributes have one of the given values.

        :raises ValueError: a value is empty, which Neutron would take for no filter
        """
        empty = [name for name, value in filters.items() if not value]
        if empty:
            raise ValueError(f"no value to filter ports by: {empty}")
        ports: list[Json] = self.api.get("/ports", **filters)["ports"]
        return ports

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
        salt = 0
        for left in reversed(range(_TRIES)):
            salted = (*purpose, str(salt)) if salt else purpose
            mac = naming.mac_address(self.conf.neutron.mac_prefix, *salted)
            wanted = {**body, "mac_address": mac}
            try:
                return self._make(wanted)
            except Refused as refused:
                # Whatever the conflict is, it can be with the same call made elsewhere.
                if refused.orig_code != 409 or not left:
                    raise
                held = self.list(network_id=body["network_id"], mac_address=mac)
                if held and self._is(held[0], body):
                    return Claimed(held[0], made=False)
                if refused.kind not in MAC_IN_USE:
                    raise
                # Nobody has it any more, or somebody else has.
                salt += len(held)
        raise AssertionError("the last try returns or raises")

    def _make(self, wanted: Json) -> Claimed:
        try:
            return Claimed(self.api.post("/ports", {"port": wanted})["port"], made=True)
        except CloudUnavailable:
            if time_is_up():
                # Neutron may still be making it, and nobody will ask for it again.
                with without_deadline():
                    self._unmake(wanted)
            raise

    def _unmake(self, wanted: Json) -> None:
        """Delete a port that may have been made, or may be just now.

        Asking for it once more answers only after that; then it is there for certain.
        """
        try:
            port = self.api.post("/ports", {"port": wanted})["port"]
        except Refused as refused:
            place = {key: wanted[key] for key in ("network_id", "mac_address")}
            held = self.list(**place) if refused.orig_code == 409 else []
            unused = [p for p in held if self._is(p, wanted) and not p["device_id"]]
            ids = [p["id"] for p in unused]
        else:
            ids = [port["id"]]
        for port_id in ids:
            LOG.warning("deleting port %s, made after the time was up", port_id)
            self.delete(port_id)

    def _is(self, port: Json, body: Json) -> bool:
        owner = body.get("project_id") or self.api.project_id()
        return bool(port["name"] == body["name"] and port["project_id"] == owner)

    def update(self, port_id: str, changes: Json) -> Json:
        """Change a port, and return it."""
        port: Json = self.api.put(f"/ports/{port_id}", {"port": changes})["port"]
        return port

    def delete(self, port_id: str) -> None:
        """Delete a port; it may be gone already."""
        self.api.delete(f"/ports/{port_id}")

    def disclaim(self, claimed: Claimed) -> None:
        """Delete a port that was made, which Nova then takes from its server."""
        if claimed.made:
            self.delete(claimed.port["id"])

    def drop_group(self, port: Json, group_ids: Sequence[str]) -> None:
        """Take security groups off a port that stays.

        It is read again when somebody else changed it meanwhile. Neutron checks the
        revision before the change and not with it, so this is no lock; but two that drop
        the same group at once want the same.
        """
        for left in reversed(range(_TRIES)):
            kept = [g for g in port["security_groups"] if g not in group_ids]
            if kept == port["security_groups"]:
                return
            body = {"port": {"security_groups": kept}}
            try:
                self.api.put(f"/ports/{port['id']}", body, port["revision_number"])
            except Refused as refused:
                if refused.orig_code == 404:
                    return
                if refused.orig_code != 412 or not left:
                    raise
                port = self.get(port["id"])
            else:
                return


def difference(port: Json, wanted: dict[str, Any]) -> Json:
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
    return sorted(v["ip_address"] if isinstance(v, dict) else v for v in value)
