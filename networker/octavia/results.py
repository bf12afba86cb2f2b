# SPDX-License-Identifier: Apache-2.0
"""From networker's objects to those of the Octavia that is installed.

Octavia makes its objects into dictionaries and back again, so they must have exactly the
fields that its own classes declare, whatever networker's have.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import msgspec
from octavia.common import data_models
from octavia.network import data_models as network_models

from networker import models

_CLASSES: Mapping[type, Any] = {
    models.AdditionalVIP: data_models.AdditionalVip,
    models.AdditionalVIPData: network_models.AdditionalVipData,
    models.Amphora: data_models.Amphora,
    models.AmphoraNetworkConfig: network_models.AmphoraNetworkConfig,
    models.FixedIP: network_models.FixedIP,
    models.HostRoute: network_models.HostRoute,
    models.Interface: network_models.Interface,
    models.Network: network_models.Network,
    models.NetworkIPAvailability: network_models.Network_IP_Availability,
    models.Port: network_models.Port,
    models.QosPolicy: network_models.QosPolicy,
    models.SecurityGroup: network_models.SecurityGroup,
    models.Subnet: network_models.Subnet,
    models.VIP: data_models.Vip,
}


def octavia(value: Any) -> Any:
    """Return Octavia's object for one of networker's, and lists of them as new lists.

    Fields that Octavia does not have are left out; those that networker does not have
    get Octavia's default.
    """
    if isinstance(value, list):
        return [octavia(one) for one in value]
    if isinstance(value, models.SubnetIPAvailability):
        return msgspec.structs.asdict(value)
    kind = _CLASSES.get(type(value))
    if kind is None:
        return value
    names = inspect.signature(kind).parameters
    return kind(**{n: octavia(getattr(value, n)) for n in names if hasattr(value, n)})


def virtual_ips(vip: models.VIP, load_balancer: Any) -> tuple[Any, list[Any]]:
    """Return the VIP and the additional VIPs of the caller's own load balancer.

    What networker was not told, such as the QoS policy, is as the caller's VIP has it.
    """
    made = octavia(vip)
    others = octavia(vip.additional)
    for one in (made, *others):
        one.load_balancer = load_balancer
        one.load_balancer_id = load_balancer.id
    for name in ("qos_policy_id", "vnic_type", "sg_ids"):
        setattr(made, name, getattr(load_balancer.vip, name))
    return made, others


def network_configs(
    configs: Mapping[str, models.AmphoraNetworkConfig], amphorae: list[Any]
) -> dict[str, Any]:
    """Return network configurations by the ids of amphorae.

    :param amphorae: the caller's, which lead to everything that Octavia knows of them
    """
    given = {amphora.id: amphora for amphora in amphorae}
    made = {}
    for amphora_id, config in configs.items():
        made[amphora_id] = octavia(config)
        made[amphora_id].amphora = given[amphora_id]
    return made
