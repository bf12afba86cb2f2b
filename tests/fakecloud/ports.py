# SPDX-License-Identifier: Apache-2.0
"""The ports of a fake cloud: made, changed, deleted, bound to servers."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Sequence

from tests.fakecloud import addresses, attributes
from tests.fakecloud.groups import Groups
from tests.fakecloud.state import (
    DOMAIN,
    SERVICE,
    Json,
    Server,
    State,
    check_revision,
    copied,
    forbidden,
    neutron_fault,
    now,
)

_UNBOUND: Json = {
    "binding:host_id": "",
    "binding:vif_type": "unbound",
    "binding:vif_details": {},
}
_BOUND: Json = {
    "binding:host_id": "lab-compute",
    "binding:vif_type": "ovs",
    "binding:vif_details": {
        "connectivity": "l2",
        "port_filter": True,
        "ovs_hybrid_plug": False,
        "ovs_create_tap": True,
        "datapath_type": "system",
        "bridge_name": "br-int",
        "bound_drivers": {"0": "openvswitch"},
    },
}

#: What of a port has rows of its own.
_ROWS = {"fixed_ips", "security_groups", "allowed_address_pairs", "qos_policy_id"}
#: A port of which nothing is asked.
_NEW: Json = {
    "name": "",
    "description": "",
    "admin_state_up": True,
    "status": "DOWN",
    "device_id": "",
    "device_owner": "",
    "extra_dhcp_opts": [],
    "binding:vnic_type": "normal",
    "binding:profile": {},
    "port_security_enabled": True,
    "qos_policy_id": None,
    "qos_network_policy_id": None,
    "dns_name": "",
    "tags": [],
    "revision_number": 1,
    **_UNBOUND,
}


def not_found(port_id: str) -> Exception:
    """Return Neutron's refusal of a port that it does not know."""
    text = f"Port {port_id} could not be found."
    return neutron_fault(404, "PortNotFound", text)


def bind(port: Json, server: Server) -> None:
    """Make a port a server's, as Nova and the agent do in several updates."""
    port.update(copied(_BOUND))
    port["device_id"] = server.id
    port["device_owner"] = "compute:nova"
    port["dns_name"] = server.name
    port["status"] = "ACTIVE" if port["admin_state_up"] else "DOWN"
    _revise(port, 5 if port["admin_state_up"] else 3)


def unbind(port: Json) -> None:
    """Take a port from its server."""
    port.update(copied(_UNBOUND))
    port["device_id"] = port["device_owner"] = port["dns_name"] = ""
    port["status"] = "DOWN"
    _revise(port)


def show(port: Json) -> Json:
    """Return a port as the API shows it, with what follows from its addresses."""
    shown: Json = copied(port)
    shown["tenant_id"] = port["project_id"]
    shown["dns_assignment"] = []
    for ip in port["fixed_ips"]:
        name = "host-" + re.sub(r"[.:]+", "-", ip["ip_address"]).strip("-")
        host = port["dns_name"] or name
        one = {"ip_address": ip["ip_address"], "hostname": host}
        shown["dns_assignment"].append(one | {"fqdn": f"{host}.{DOMAIN}"})
    return shown


#: What of a port a change deletes and inserts: the MAC and the IP address of each address
#: pair, and without a MAC address its own addresses.
Rows = frozenset[tuple[str, str]]


class Ports:
    """The operations on ports.

    :param caller: the project whose user asks
    """

    def __init__(self, state: State, caller: str = SERVICE) -> None:
        self._state = state
        self._caller = caller
        self._groups = Groups(state, caller)

    def create(self, bodies: Sequence[Json]) -> list[Json]:
        """Make ports, all or none."""
        wanted = [attributes.port_to_make(body) for body in bodies]
        for one in wanted:
            owner: str = one.get("project_id") or one.get("tenant_id") or self._caller
            one["project_id"] = owner
            present = [
                p for p in self._state.ports.values() if p["project_id"] == owner
            ]
            self._state.check_quota("port", owner, len(present), len(wanted))
            if one.get("qos_policy_id"):
                self._authorize_policy(owner, "create_port")
        made: list[Json] = []
        try:
            for one in wanted:
                made.append(self._insert(one))
                addresses.allocate(self._state, made[-1], one.get("fixed_ips"))
            for port, one in zip(made, wanted, strict=True):
                self._finish(port, one)
        except BaseException:
            for port in made:
                del self._state.ports[port["id"]]
            raise
        return made

    def _insert(self, wanted: Json) -> Json:
        network_id = wanted["network_id"]
        if network_id not in self._state.networks:
            text = f"Network {network_id} could not be found."
            raise neutron_fault(404, "NetworkNotFound", text)
        # Addresses, groups and pairs follow.
        given = {name: value for name, value in wanted.items() if name in _NEW}
        port: Json = copied(_NEW) | given
        port["id"] = str(uuid.uuid4())
        port["created_at"] = port["updated_at"] = now()
        port["network_id"] = network_id
        port["project_id"] = wanted["project_id"]
        port["mac_address"] = wanted.get("mac_address") or self._new_mac(network_id)
        port |= {"fixed_ips": [], "security_groups": [], "allowed_address_pairs": []}
        self._check_mac(port, port["mac_address"])
        self._state.ports[port["id"]] = port
        return port

    def _finish(self, port: Json, wanted: Json) -> None:
        owner = port["project_id"]
        self._check_policy(port["qos_policy_id"])
        groups = wanted.get("security_groups")
        if "security-group" in self._state.missing:
            groups = []
        elif groups is None:
            groups = [self._groups.default(owner)["id"]]
        self._groups.check(groups, owner)
        port["security_groups"] = sorted(groups)
        port["allowed_address_pairs"] = _pairs(port, wanted)

    def update(self, port_id: str, body: Json, revision: int | None) -> Json:
        """Change a port, or leave it as it is if anything is refused."""
        wanted = attributes.port_to_change(body)
        port = self.get(port_id)
        if "qos_policy_id" in wanted:
            self._authorize_policy(port["project_id"], "update_port")
        self._check(port, wanted)
        check_revision(port, revision)
        before = copied(port)
        self._change(port, wanted)
        _revise(port, _changes(before, port, wanted))
        return port

    def rows(self, port_id: str) -> Rows:
        """Return what of a port has rows of its own, which a change deletes and inserts."""
        port = self._state.ports.get(port_id, {})
        return _rows(port.get("allowed_address_pairs", ()), port.get("fixed_ips", ()))

    def rows_to_insert(self, port_id: str, body: Json) -> Rows:
        """Return what a change inserts that is not there."""
        wanted, port = attributes.port_to_change(body), self._state.ports.get(port_id)
        if port is None:
            return frozenset()
        places = [one for one in wanted.get("fixed_ips", ()) if "ip_address" in one]
        return _rows(_pairs(port, wanted), places) - self.rows(port_id)

    def check_rows(self, port_id: str, wanted: Rows) -> None:
        """Refuse to insert what another change has inserted since this one began.

        MySQL's transactions do not see what others have written since they began, and
        cannot write it, either: Neutron reports that of address pairs. Of addresses it
        begins such a transaction again; in PostgreSQL, they are seen and refused.

        :param wanted: what is to be inserted that was not there at the beginning
        """
        for mac, address in sorted(wanted & self.rows(port_id)):
            if mac:
                raise attributes.pair_twice(mac, address)
            held = self.get(port_id)["fixed_ips"]
            place = next(one for one in held if one["ip_address"] == address)
            raise addresses.in_use(address, place["subnet_id"])

    def _check(self, port: Json, wanted: Json) -> None:
        """Refuse what does not depend on a port's revision."""
        if wanted.get("mac_address", port["mac_address"]) != port["mac_address"]:
            self._check_mac(port, wanted["mac_address"])
        addresses.check(self._state, port, wanted.get("fixed_ips", []))
        self._check_policy(wanted.get("qos_policy_id"))
        # Only the creation of a port looks at whose groups they are.
        self._groups.check(wanted.get("security_groups", []), None)

    def _change(self, port: Json, wanted: Json) -> None:
        wanted = dict(wanted)
        if "fixed_ips" in wanted:
            addresses.change(self._state, port, wanted.pop("fixed_ips"))
        if "security_groups" in wanted:
            wanted["security_groups"] = sorted(wanted["security_groups"])
        if "allowed_address_pairs" in wanted:
            wanted["allowed_address_pairs"] = _pairs(port, wanted)
        up = wanted.get("admin_state_up", port["admin_state_up"])
        if up != port["admin_state_up"] and port["binding:host_id"]:
            # The agent takes a moment for it, and says so by another update.
            port["status"] = "ACTIVE" if up else "DOWN"
            _revise(port)
        port.update(wanted)

    def delete(self, port_id: str, revision: int | None) -> None:
        """Delete a port, which takes it from its server."""
        check_revision(self.get(port_id), revision)
        del self._state.ports[port_id]
        for server in self._state.servers.values():
            if port_id in server.port_ids:
                server.port_ids.remove(port_id)

    def get(self, port_id: str) -> Json:
        """Return a port."""
        port = self._state.ports.get(port_id)
        if port is None:
            raise not_found(port_id)
        return port

    def _authorize_policy(self, owner: str, rule: str) -> None:
        if owner != self._caller:
            raise forbidden(f"(rule:{rule} and rule:{rule}:qos_policy_id)")

    def _check_mac(self, port: Json, mac: str) -> None:
        if mac in self._macs(port["network_id"]):
            text = "Unable to complete operation for network {}. The mac address {} is "
            text = (text + "in use.").format(port["network_id"], mac)
            raise neutron_fault(409, "MacAddressInUse", text)

    def _macs(self, network_id: str) -> set[str]:
        ports = self._state.ports.values()
        return {p["mac_address"] for p in ports if p["network_id"] == network_id}

    def _new_mac(self, network_id: str) -> str:
        while True:
            tail = [f"{random.randrange(256):02x}" for _ in range(3)]
            mac = ":".join(["fa", "16", "3e", *tail])
            if mac not in self._macs(network_id):
                return mac

    def _check_policy(self, policy_id: str | None) -> None:
        if policy_id is not None and policy_id not in self._state.policies:
            text = f"QoS policy {policy_id} could not be found."
            raise neutron_fault(404, "QosPolicyNotFound", text)


def _pairs(port: Json, wanted: Json) -> list[Json]:
    pairs: list[Json] = wanted.get("allowed_address_pairs", [])
    return [{"mac_address": port["mac_address"], **pair} for pair in pairs]


def _rows(pairs: Sequence[Json], places: Sequence[Json]) -> Rows:
    own = {("", place["ip_address"]) for place in places}
    return frozenset(own | {(one["mac_address"], one["ip_address"]) for one in pairs})


def _changes(before: Json, after: Json, wanted: Json) -> int:
    """Return how often Neutron raises a port's revision number for a change.

    It counts what is in the port's own row, or else the description and the rows that
    belong to the port. Address pairs and a policy are written anew even if they are the
    same.
    """
    changed = {name for name in after if after[name] != before.get(name)}
    anew = {"allowed_address_pairs", "qos_policy_id"}
    rows = changed & _ROWS | {name for name in anew if wanted.get(name)}
    if changed - _ROWS - {"description"}:
        return 1
    return ("description" in changed) + bool(rows)


def _revise(port: Json, times: int = 1) -> None:
    if times:
        port["revision_number"] += times
        port["updated_at"] = now()
