# SPDX-License-Identifier: Apache-2.0
"""Attach ports to servers, and detach them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Iterator, Sequence

from oslo_config import cfg

from networker.drivers.neutron.api.answers import PortAnswer
from networker.drivers.neutron.api.errors import Refused, is_gone, is_in_doubt
from networker.drivers.neutron.api.requests import Api, seconds_left
from networker.drivers.neutron.resources import ownership
from networker.drivers.neutron.resources.ownership import Claimed
from networker.drivers.neutron.resources.ports import Ports
from networker.exceptions import AmphoraNotFound, CloudUnavailable

#: Seconds for which ports that are detached wait for others, so as to be deleted together.
_TOGETHER = 2.0
#: How often to look for the end of a detach that is undone: another call may have attached
#: the port again in between.
_LOOKS = 20


@dataclasses.dataclass(frozen=True)
class Servers:
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
            if is_gone(refused):
                raise _no_server(compute_id, refused) from refused
            raise

    def attach(self, compute_id: str, claimed: Claimed) -> PortAnswer | None:
        """Attach a port to a server; taken back by :meth:`unattach`.

        :returns: the port if it was this call that attached it
        :raises AmphoraNotFound: the server does not exist
        :raises Refused: the port is another server's, or the cloud refused
        """
        if claimed.port["device_id"] == compute_id:
            return None

        def act(was_detached: bool) -> bool:
            try:
                self._attach(compute_id, claimed.port["id"])
            except (Refused, CloudUnavailable) as error:
                attached = self._is_attached(compute_id, claimed, error)
                if attached is None:
                    raise ownership.Again(error) from error
                return attached
            if was_detached:
                # For the call that did, and may wait for that.
                self.ports.mark(claimed.port["id"])
            return True

        return claimed.port if ownership.persist_on(False, act, lambda: True) else None

    def _is_attached(
        self, compute_id: str, claimed: Claimed, error: Refused | CloudUnavailable
    ) -> bool | None:
        """Tell whether it was this call that attached a port, when Nova was not clear.

        :returns: None if another call has just detached it
        :raises NetworkException: the given error: it is not attached
        """
        if not (is_in_doubt(error) or error.orig_code in (400, 409)):
            raise error
        port = self.ports.find(claimed.port["id"])
        if port is None:
            raise error
        named = port["id"] in (error.orig_msg or "")
        if not port["device_id"] and error.orig_code == 409 and named:
            return None
        # After 500 a port can have its server without the guest having it.
        if port["device_id"] != compute_id or error.orig_code == 500:
            raise error
        if claimed.made and ownership.same_mark(port, claimed.port):
            return True
        # Another call attached it, and must not take it back.
        port = self.ports.mark(port["id"])
        if port is None:
            raise error
        return False if port["device_id"] == compute_id else None

    def _attach(self, compute_id: str, port_id: str) -> None:
        body = {"interfaceAttachment": {"port_id": port_id}}
        try:
            self.api.post(f"/servers/{compute_id}/os-interface", body)
        except Refused as refused:
            # Nova's words for a server and for a port that it does not find differ, but
            # both have the id.
            if is_gone(refused) and compute_id in (refused.orig_msg or ""):
                raise _no_server(compute_id, refused) from refused
            raise

    def unattach(self, compute_id: str, port: PortAnswer | None) -> None:
        """Detach a port that was attached, unless another call has come to rely on it."""
        now = self.ports.find(port["id"]) if port else None
        if port is None or now is None or now["device_id"] != compute_id:
            return
        if not ownership.same_mark(now, port):
            return
        self.detach(now)
        for _ in range(_LOOKS):
            time.sleep(self.conf.neutron.poll_interval)
            now = self.ports.find(port["id"])
            if not now or not now["device_id"]:
                break
        if now and not ownership.same_mark(now, port) and not now["device_id"]:
            self._attach(compute_id, now["id"])

    def detach(self, port: PortAnswer) -> bool:
        """Begin to detach a port from its server, and tell whether to wait for it."""
        if not _is_held(port):
            return False
        return self.api.delete(
            f"/servers/{port['device_id']}/os-interface/{port['id']}"
        )

    def detached(
        self, port_ids: Collection[str], ready: Sequence[str] = ()
    ) -> Iterator[Sequence[str]]:
        """Wait for ports to be detached, and yield their ids as they are.

        They come together if that takes but a moment. Those that are not detached in time
        never come.

        :raises NetworkException: the cloud does not say whether they are
        :param ready: ids of ports that need not be waited for, and come with the first
        """
        end = time.monotonic() + seconds_left(self.conf.neutron.detach_timeout)
        waiting, gone, since = set(port_ids), list(ready), time.monotonic()
        while waiting:
            time.sleep(self.conf.neutron.poll_interval)
            try:
                left = self._attached(waiting)
            except (Refused, CloudUnavailable):
                if gone:
                    yield gone
                raise
            now = time.monotonic()
            since = since if gone else now
            gone += sorted(waiting - left)
            waiting = left
            # What is left may never come; there must be time to delete the others.
            if gone and waiting and now > min(since + _TOGETHER, end - _TOGETHER):
                yield gone
                gone = []
            if now > end:
                break
        if gone:
            yield gone

    def _attached(self, port_ids: Collection[str]) -> set[str]:
        """Return which of some ports have a server."""
        fields = ["id", "device_id", "device_owner"]
        found = self.ports.list(id=sorted(port_ids), fields=fields)
        return {port["id"] for port in found if _is_held(port)}


def _is_held(port: PortAnswer) -> bool:
    """Tell whether a server has a port, or is getting it.

    Nova takes the owner from a port that it detaches, together with the server. Where only
    the server is named, somebody else has written that, and Nova would never take it away.
    """
    return bool(port["device_id"] and port["device_owner"])


def _no_server(compute_id: str, refused: Refused) -> AmphoraNotFound:
    return AmphoraNotFound(
        compute_id=compute_id, orig_msg=refused.orig_msg, orig_code=refused.orig_code
    )
