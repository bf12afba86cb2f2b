# SPDX-License-Identifier: Apache-2.0
"""Servers: ports attached to them and detached from them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection

from oslo_config import cfg

from networker.drivers.neutron.api import Api, seconds_left
from networker.drivers.neutron.errors import Refused
from networker.drivers.neutron.ports import Ports
from networker.drivers.neutron.translate import Json
from networker.exceptions import AmphoraNotFound


@dataclasses.dataclass(frozen=True)
class Compute:
    """The servers of a cloud.

    :param api: Nova
    :param ports: tell when a port is detached
    :param conf: its group ``[neutron]`` says how long and how often to look
    """

    api: Api
    ports: Ports
    conf: cfg.ConfigOpts

    def require(self, compute_id: str) -> None:
        """Make sure that a server exists.

        :raises AmphoraNotFound: it does not
        """
        try:
            self.api.get(f"/servers/{compute_id}")
        except Refused as refused:
            if refused.orig_code == 404:
                raise _no_server(compute_id, refused) from refused
            raise

    def attach(self, compute_id: str, port: Json) -> bool:
        """Attach a port to a server, and tell whether it was not attached yet.

        :raises AmphoraNotFound: the server does not exist
        :raises Refused: the port is another server's, or the cloud refused
        """
        if port["device_id"] == compute_id:
            return False
        try:
            self.api.post(
                f"/servers/{compute_id}/os-interface",
                {"interfaceAttachment": {"port_id": port["id"]}},
            )
        except Refused as refused:
            # Nova's words for a server and for a port that it does not find differ, but
            # both have the id.
            if refused.orig_code == 404 and compute_id in (refused.orig_msg or ""):
                raise _no_server(compute_id, refused) from refused
            if refused.orig_code in (400, 409) and self._has(compute_id, port["id"]):
                return False
            raise
        return True

    def _has(self, compute_id: str, port_id: str) -> bool:
        port = self.ports.find(port_id)
        return port is not None and port["device_id"] == compute_id

    def detach(self, port: Json) -> bool:
        """Begin to detach a port from its server, and tell whether to wait for it."""
        if not port["device_id"]:
            return False
        return self.api.delete(
            f"/servers/{port['device_id']}/os-interface/{port['id']}"
        )

    def wait(self, port_ids: Collection[str]) -> None:
        """Wait until ports are detached.

        :raises Refused: some are not in time
        """
        end = time.monotonic() + seconds_left(self.conf.neutron.detach_timeout)
        waiting = list(port_ids)
        while waiting:
            time.sleep(self.conf.neutron.poll_interval)
            found = self.ports.list(id=waiting, fields=["id", "device_id"])
            waiting = [port["id"] for port in found if port["device_id"]]
            if waiting and time.monotonic() > end:
                names = ", ".join(waiting)
                raise Refused(orig_msg=f"still attached when the time was up: {names}")


def _no_server(compute_id: str, refused: Refused) -> AmphoraNotFound:
    return AmphoraNotFound(
        compute_id=compute_id, orig_msg=refused.orig_msg, orig_code=refused.orig_code
    )
