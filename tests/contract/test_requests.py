# SPDX-License-Identifier: Apache-2.0
"""What each method of the neutron driver asks of Neutron and Nova, counted.

``docs/requests.json`` has the figures, from which the reference is written. On the fake
cloud they have to be the same; on a real one nothing may cost more. After a change that
is meant, ``NETWORKER_COUNT=write`` lets the fake cloud's run write the file.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from networker.drivers.base import NetworkDriver
from networker.models import (
    VIP,
    Amphora,
    FixedIP,
    Listener,
    LoadBalancer,
    Network,
    Subnet,
)
from tests.contract.conftest import cloud
from tests.contract.meter import Meter
from tests.contract.world import World, new_id

FILE = pathlib.Path(__file__).parents[2] / "docs" / "requests.json"
SETTINGS = ["neutron-fake", pytest.param("neutron", marks=cloud)]


class Count:
    """Makes calls, and writes down what they cost.

    :param network: the neutron driver
    """

    def __init__(self, network: Any, world: World) -> None:
        self.network: NetworkDriver = network
        self.forget = network._cloud.extensions._answers.clear
        self.world = world
        self.costs: dict[str, dict[str, str]] = defaultdict(dict)
        self.asked: dict[str, list[str]] = {}
        session = network._cloud.session.connection().session.session
        self._meter = Meter(session)

    def __call__(self, case: str, method: str, *args: Any, **kwargs: Any) -> Any:
        with self._meter.measuring() as cost:
            result = getattr(self.network, method)(*args, **kwargs)
        self.costs[method][case] = f"{cost}: {cost.kinds}"
        self.asked[f"{method}: {case}"] = [request.what for request in cost.made]
        return result

    def balancer(self, **wanted: Any) -> LoadBalancer:
        """Return a load balancer with a VIP, which costs nothing."""
        lb = self.world.load_balancer(**wanted)
        lb.vip = self.network.allocate_vip(lb)
        return lb


def _vip(lb: LoadBalancer) -> VIP:
    assert lb.vip is not None
    return lb.vip


def whole_life(count: Count) -> None:
    """A load balancer with two amphorae, from its VIP to its end."""
    lb = count.world.load_balancer()
    lb.vip = vip = count("the first time", "allocate_vip", lb)
    count("again, with its port", "allocate_vip", lb)
    lb.vip.port_id = None
    lb.vip = vip = count("again, without", "allocate_vip", lb)
    lb.amphorae, amphorae = [], lb.amphorae
    count("the first time, 2 listeners", "update_vip_sg", lb, vip)
    count("again", "update_vip_sg", lb, vip)
    lb.amphorae = amphorae
    lb.amphorae = count("2 amphorae, group there", "plug_vip", lb, vip)
    count("again, within 10 minutes", "plug_vip", lb, vip)
    count("unchanged", "update_vip", lb)
    more = [
        Listener(
            id=new_id(), protocol="TCP", protocol_port=8000 + i, peer_port=2000 + i
        )
        for i in range(10)
    ]
    lb.listeners += more
    count("10 listeners more", "update_vip", lb)
    del lb.listeners[-10:]
    count("10 listeners fewer", "update_vip", lb)
    count("2 amphorae", "get_network_configs", lb)
    count("1 amphora", "get_network_configs", lb, lb.amphorae[0])
    count("groups as they are", "update_aap_port_sg", lb, lb.amphorae[0], vip)
    count("2 amphorae", "unplug_vip", lb, vip)
    count("again", "unplug_vip", lb, vip)
    count("unplugged", "deallocate_vip", vip)
    count("again", "deallocate_vip", vip)


def one_by_one(count: Count) -> None:
    """The VIP plugged into each amphora by itself, as Octavia does it."""
    lb = count.balancer(dual=True)
    vip, (first, second) = _vip(lb), lb.amphorae
    count.network.update_vip_sg(lb, vip)
    subnet = Subnet(id=vip.subnet_id, network_id=vip.network_id)
    plugged = count("the first time", "plug_aap_port", lb, vip, first, subnet)
    count("again, within 10 minutes", "plug_aap_port", lb, vip, first, subnet)
    lb.amphorae = [plugged, count.network.plug_aap_port(lb, vip, second, subnet)]
    count("2 amphorae, an additional VIP", "get_network_configs", lb)
    count("plugged", "unplug_aap_port", vip, plugged, subnet)
    count("again", "unplug_aap_port", vip, plugged, subnet)
    lb.amphorae = lb.amphorae[1:]
    count("1 amphora", "unplug_vip", lb, vip)
    count.network.deallocate_vip(vip)


def at_once(count: Count) -> None:
    """Plugged without a group, and deallocated while it is plugged."""
    lb = count.balancer()
    lb.amphorae = count("2 amphorae, everything new", "plug_vip", lb, _vip(lb))
    count("2 amphorae still plugged", "deallocate_vip", _vip(lb))
    lb = count.balancer(amphorae=1)
    lb.amphorae = count.network.plug_vip(lb, _vip(lb))
    count("1 network", "failover_preparation", lb.amphorae[0])
    count.network.unplug_vip(lb, _vip(lb))
    count.network.deallocate_vip(_vip(lb))


def members(count: Count) -> None:
    """A server on a member network, in both ways."""
    server, (net_id, _) = count.world.servers[0], count.world.member_network_ids
    compute_id = server.compute_id
    count("the first time", "plug_network", compute_id, net_id)
    count("again, within 10 minutes", "plug_network", compute_id, net_id)
    count("any", "get_plugged_networks", compute_id)
    count("1 interface", "unplug_network", compute_id, net_id)
    amphora = Amphora(id=new_id(), compute_id=compute_id)
    name = f"octavia-lb-member-{amphora.id}"
    port = count("the first time", "create_port", net_id, name)
    count("again, within 10 minutes", "create_port", net_id, name)
    count("the first time", "plug_port", amphora, port)
    count("again", "plug_port", amphora, port)
    count("down", "set_port_admin_state_up", port.id, False)
    count("a policy", "apply_qos_on_port", count.world.qos_policy_id, port.id)
    count.network.unplug_network(compute_id, net_id)
    count("gone already", "delete_port", port.id)


def addresses(count: Count) -> None:
    """A port on the VIP's network, given another address and relieved of it."""
    world = count.world
    name = f"octavia-lb-member-{new_id()}"
    first, other = [FixedIP(subnet_id=world.vip_subnet_id)], world.vip_subnet6_id
    port = count.network.create_port(world.vip_network_id, name, first)
    count("the first time", "plug_fixed_ip", port.id, other)
    count("again", "plug_fixed_ip", port.id, other)
    count("the first time", "unplug_fixed_ip", port.id, other)
    count("again", "unplug_fixed_ip", port.id, other)
    count("any", "delete_port", port.id)


def lookups(count: Count) -> None:
    """Everything that is only looked up."""
    world = count.world
    lb = count.balancer()
    vip = _vip(lb)
    count.network.update_vip_sg(lb, vip)
    group = count("any", "get_security_group", f"lb-{lb.id}")
    count("any", "get_security_group_by_id", group.id)
    count("any", "get_network", world.vip_network_id)
    count("any", "get_subnet", world.vip_subnet_id)
    count("any", "get_port", vip.port_id)
    count("as a user", "get_network", world.vip_network_id, world.user_context())
    count("any", "get_network_by_name", "vip-net")
    count("any", "get_subnet_by_name", "vip-subnet")
    count("any", "get_port_by_name", f"octavia-lb-{lb.id}")
    device = f"lb-{lb.id}"
    count("any", "get_port_by_net_id_device_id", world.vip_network_id, device)
    count("any", "get_qos_policy", world.qos_policy_id)
    network = Network(id=world.vip_network_id)
    count("any", "get_network_ip_availability", network)
    count.forget()
    count("not known yet", "qos_enabled")
    count("within 10 minutes", "qos_enabled")
    count("not known yet", "sec_grp_enabled")
    count("within 10 minutes", "sec_grp_enabled")
    count.network.deallocate_vip(vip)


@pytest.fixture
def count(network: NetworkDriver, world: World, clean: None) -> Iterator[Count]:
    """Count from an open connection on: the token is no method's."""
    network.get_network(world.vip_network_id)
    yield Count(network, world)
    world.sweep()


def _differ(now: str, known: str) -> bool:
    return sorted(re.split("[:,] ", now)) != sorted(re.split("[:,] ", known))


def _more(now: str, known: str) -> bool:
    """Tell whether one cost has more requests or more waves than the other."""
    figures = [re.findall(r"\d+", cost.split(":")[0]) for cost in (now, known)]
    return any(int(n) > int(k) for n, k in zip(*figures, strict=True))


def _changed(
    count: Count, known: dict[str, dict[str, str]], *, fake: bool
) -> dict[str, list[Any]]:
    """Return what costs something else than is known, or more."""
    assert {m: set(cases) for m, cases in count.costs.items()} == {
        m: set(cases) for m, cases in known.items()
    }
    return {
        f"{method}: {case}": [
            now,
            known[method][case],
            count.asked[f"{method}: {case}"],
        ]
        for method, cases in count.costs.items()
        for case, now in cases.items()
        if (_differ if fake else _more)(now, known[method][case])
    }


@pytest.mark.parametrize("setting", SETTINGS, indirect=True)
@pytest.mark.timeout(300)
def test_requests_and_waves_are_those_of_the_reference(count, request):
    """No method asks more of a cloud than the reference says."""
    fake = "fake" in request.node.callspec.id
    for _ in range(3):
        # Requests of one wave look like two where the machine is busy elsewhere.
        for scene in (whole_life, one_by_one, at_once, members, addresses, lookups):
            scene(count)
        if fake and os.environ.get("NETWORKER_COUNT") == "write":
            FILE.write_text(json.dumps(count.costs, indent=1, sort_keys=True) + "\n")
        changed = _changed(count, json.loads(FILE.read_text()), fake=fake)
        if not changed:
            break
    assert not changed, json.dumps(changed, indent=1)


def test_every_method_is_counted():
    """The reference has a figure for each method."""
    from networker.drivers.base import operations

    assert json.loads(FILE.read_text()).keys() == operations().keys()
