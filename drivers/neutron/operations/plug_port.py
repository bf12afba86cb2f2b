# SPDX-License-Identifier: Apache-2.0
"""Attach a port to an amphora's server."""

from __future__ import annotations

from networker.context import require_time
from networker.drivers.flow import OnFailure
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import PortAnswer
from networker.drivers.neutron.api.errors import Refused, is_gone
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.ownership import Claimed
from networker.exceptions import PortNotFound
from networker.models import Amphora, Interface


def run(cloud: Cloud, amphora: Amphora, port_id: str) -> Interface:
    """Attach a port to an amphora's server."""
    compute_id = amphora.compute_id or ""
    # How it is marked before says afterwards whether another call relies on it.
    port = cloud.ports.get(port_id)
    if port["device_id"] == compute_id:
        port = cloud.ports.rely(port) or cloud.ports.get(port_id)
    with OnFailure("plug_port") as on_failure:
        attached = _attach(cloud, compute_id, port)
        on_failure(cloud.servers.unattach, compute_id, attached)
        require_time()
    interface = translation.interface(port, compute_id)
    interface.amphora_id = amphora.id
    return interface


def _attach(cloud: Cloud, compute_id: str, port: PortAnswer) -> PortAnswer | None:
    """Attach a port, and return it if it was this call that did.

    :raises PortNotFound: it is gone
    """
    try:
        return cloud.servers.attach(compute_id, Claimed(port, made=False))
    except Refused as refused:
        if not (is_gone(refused) and port["id"] in (refused.orig_msg or "")):
            raise
        about = {"orig_msg": refused.orig_msg, "orig_code": refused.orig_code}
        raise PortNotFound(port_id=port["id"], **about) from refused
