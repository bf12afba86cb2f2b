# SPDX-License-Identifier: Apache-2.0
"""Every method that changes something, in the situations that make a difference."""

from __future__ import annotations

from tests.faults import amphorae, deltas, ports, servers, vips
from tests.faults.scene import Maker

#: One or two for each method.
PRINCIPAL: tuple[Maker, ...] = (
    vips.allocate,
    vips.plug_vip,
    vips.plug_vip_again,
    vips.unplug_vip,
    vips.deallocate,
    vips.update_vip_both,
    servers.plug_network,
    servers.unplug_network,
    servers.failover_preparation,
    amphorae.plug_aap_port,
    ports.create_port,
    deltas.apply_delta,
    deltas.apply_delta_both,
)
#: What removes things takes nothing back.
REMOVALS: tuple[Maker, ...] = (
    vips.unplug_vip,
    vips.unplug_vip_reused_port,
    vips.deallocate,
    vips.deallocate_users_port,
    servers.unplug_network,
    amphorae.unplug_aap_port,
    ports.unplug_fixed_ip,
    deltas.apply_delta_removing,
    deltas.apply_delta_both,
)
SCENES: tuple[Maker, ...] = (
    *PRINCIPAL,
    vips.allocate_moved,
    vips.plug_vip_no_amphora,
    vips.plug_vip_users_port,
    vips.plug_vip_reused_port,
    vips.plug_vip_moved,
    vips.unplug_vip_reused_port,
    vips.deallocate_users_port,
    vips.update_vip_adding,
    vips.update_vip_removing,
    vips.update_vip_many,
    amphorae.update_vip_sg,
    amphorae.update_vip_sg_again,
    amphorae.update_vip_sg_unchanged,
    amphorae.plug_vip,
    amphorae.plug_aap_port_made,
    amphorae.unplug_aap_port,
    ports.create_port_again,
    ports.plug_port,
    ports.plug_fixed_ip,
    ports.unplug_fixed_ip,
    deltas.apply_delta_again,
    deltas.apply_delta_addresses,
    deltas.apply_delta_removing,
)
