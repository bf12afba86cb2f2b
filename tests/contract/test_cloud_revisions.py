# SPDX-License-Identifier: Apache-2.0
"""How often a cloud counts a change of a port: the driver tells by it who else was there.

The fake cloud has to count as a real one does.
"""

from __future__ import annotations

import pytest

from networker.models import FixedIP
from networker.testing.contract.world import MEMBER, new_id
from tests.contract.conftest import cloud

SETTINGS = ["neutron-fake", pytest.param("neutron", marks=cloud)]
PAIR = [{"ip_address": "10.39.0.77"}]


@pytest.fixture
def change(network, world, clean):
    """Change a port, and return by how much its revision number rises."""
    place = [FixedIP(subnet_id=world.member_subnet_ids[0])]
    port_id = network.create_port(
        world.member_network_ids[0], MEMBER + new_id(), place
    ).id

    def change(**changes):
        path = f"/ports/{port_id}"
        before = world.neutron.get(path).json()["port"]
        if "fixed_ips" in changes:
            changes["fixed_ips"] = [*before["fixed_ips"], *changes["fixed_ips"]]
        answer = world.neutron.put(path, json={"port": changes})
        assert answer.status_code == 200, answer.text
        return answer.json()["port"]["revision_number"] - before["revision_number"]

    yield change
    network.delete_port(port_id)


@pytest.mark.parametrize("setting", SETTINGS, indirect=True)
def test_counts_the_description_and_the_rest(change, world):
    """A change counts once, and once more with the description where rows are changed."""
    more = {"subnet_id": world.member_subnet_ids[1]}
    own = "networker - "
    assert change(description=f"{own}1") == 1
    assert change(description=f"{own}1") == 0
    assert change(device_id="none", dns_name="one", description=f"{own}2") == 1
    assert change(security_groups=[], description=f"{own}3") == 2
    assert change(security_groups=[]) == 0
    assert change(allowed_address_pairs=PAIR, description=f"{own}4") == 2
    assert change(allowed_address_pairs=PAIR) == 1
    assert change(fixed_ips=[more], description=f"{own}5") == 2
    assert change(name=MEMBER + new_id(), allowed_address_pairs=[]) == 1
