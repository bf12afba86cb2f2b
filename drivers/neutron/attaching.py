# SPDX-License-Identifier: Apache-2.0
"""A port attached to a server: one call of plug_port."""

from __future__ import annotations

from networker.drivers.flow import step
from networker.drivers.neutron import translate
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused, is_gone
from networker.drivers.neutron.ports import Claimed
from networker.drivers.neutron.translate import Json
from networker.exceptions import PortNotFound
from networker.models import Amphora, Interface


def attach(cloud: Cloud, amphora: Amphora, port_id: str) -> Interface:
    """Do what :meth:`NetworkDriver.plug_port` says."""
    compute_id = amphora.compute_id or ""

    def look() -> Json:
        # How it is marked before says afterwards whether another call relies on it.
        port = cloud.ports.get(port_id)
        return cloud.adjusting.rely(port) if port["device_id"] == compute_id else port

    def connect(port: Json) -> Json | None:
        return port if _attached(cloud, compute_id, port) else None

    def disconnect(port: Json | None) -> None:
        if port:
            cloud.compute.unattach(compute_id, port)

    done = cloud.flows.run(
        "plug_port",
        [step(look, name="port", provides="port")],
        [step(connect, name="attach", undo=disconnect)],
        timely=True,
    )
    interface = translate.interface(done["port"], compute_id)
    interface.amphora_id = amphora.id
    return interface


def _attached(cloud: Cloud, compute_id: str, port: Json) -> bool:
    """Attach a port, and tell whether it was this call that did.

    :raises PortNotFound: it is gone
    """
    try:
        return cloud.compute.attach(compute_id, Claimed(port, made=False))
    except Refused as refused:
        if not (is_gone(refused) and port["id"] in (refused.orig_msg or "")):
            raise
        about = {"orig_msg": refused.orig_msg, "orig_code": refused.orig_code}
        raise PortNotFound(port_id=port["id"], **about) from refused
