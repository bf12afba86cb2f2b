# SPDX-License-Identifier: Apache-2.0
"""Take from a port its addresses on a subnet."""

from __future__ import annotations

from networker.drivers.flow import OnFailure
from networker.drivers.neutron.api.answers import PortAnswer
from networker.drivers.neutron.resources import addresses
from networker.drivers.neutron.resources.cloud import Cloud


def run(cloud: Cloud, port_id: str, subnet_id: str) -> PortAnswer:
    """Take from a port all the addresses that it has on a subnet, and return the port."""
    # What was taken from a port is not given back.
    never = OnFailure("unplug_fixed_ip")
    return addresses.exchange(cloud, port_id, [], [subnet_id], never)
