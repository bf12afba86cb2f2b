# SPDX-License-Identifier: Apache-2.0
"""Ports changed so that it can be taken back, by several calls at once if need be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from oslo_log import log

from networker.drivers.flow import undoing
from networker.drivers.neutron import marks
from networker.drivers.neutron.errors import is_in_doubt
from networker.drivers.neutron.ports import (
    Claimed,
    Ports,
    counted,
    difference,
    is_alone,
    is_marked,
)
from networker.drivers.neutron.translate import Json
from networker.exceptions import NetworkException

LOG = log.getLogger(__name__)

#: How often a port is changed that others change at the same time.
_TRIES = 10


@dataclasses.dataclass(frozen=True)
class Adjusted(Claimed):
    """A port that is as it should be.

    :param port: as it is now, or was when it was marked last
    :param before: its changed attributes as they were; empty if they need not come back
    :param revision: where it is not known whether the port was changed, the number that it
        has if it was, and by nobody else
    """

    before: Json
    revision: int | None = None


def in_doubt(port: Json, change: Json, before: Json) -> Adjusted:
    """Return a port whose change may have been made, for :meth:`Adjusting.put_back`.

    :param port: as it was seen
    :param before: what is to come back of it
    """
    revision = port["revision_number"] + counted(change)
    return Adjusted({**port, **change}, False, before, revision)


@dataclasses.dataclass(frozen=True)
class Adjusting:
    """Changes the ports of a cloud."""

    ports: Ports

    def adjust(self, claimed: Claimed, wanted: Callable[[Json], Json]) -> Adjusted:
        """Change a port; undone by :meth:`put_back`.

        :param wanted: tells what to change of the port as it is
        """
        port = claimed.port
        for left in reversed(range(_TRIES)):
            change = wanted(port)
            if not change:
                break
            adjust = self._complete if claimed.made else self._adjust
            adjusted = adjust(port, change, last=not left)
            if adjusted:
                return adjusted
            port = self.ports.get(port["id"])
            if not (claimed.made and marks.same(port, claimed.port)):
                port = self.rely(port)
        return Adjusted(port, claimed.made, {})

    def rely(self, port: Json) -> Json:
        """Rely on a port as it is, which another call may have changed just now."""
        if is_marked(port) and marks.is_recent(port):
            return self.ports.mark(port["id"]) or self.ports.get(port["id"])
        return port

    def _complete(self, port: Json, change: Json, *, last: bool) -> Adjusted | None:
        """Change a port that this call made; None if it was changed meanwhile.

        Another call may have found the port and given it the same, which it takes back if
        it fails, unless it sees that this one relies on it.
        """
        after = self.ports.change(port, change, last=last)
        if after is None or not is_alone(port, change, after):
            return None
        return Adjusted(after, True, {})

    def _adjust(self, port: Json, change: Json, *, last: bool) -> Adjusted | None:
        """Change a port as it was seen; None if it was changed meanwhile."""
        marking = {"description": marks.new()} if is_marked(port) else {}
        before = {name: port[name] for name in change}
        with undoing("adjust") as on_failure:
            try:
                after = self.ports.change(port, change | marking, last=last)
            except NetworkException as error:
                if is_in_doubt(error):
                    on_failure(self.put_back, in_doubt(port, change | marking, before))
                raise
        if after is None:
            return None
        # The mark counts as a change of its own.
        alone = is_alone(port, [*change, "description"], after)
        return Adjusted(after, False, before if alone else {})

    def put_back(self, adjusted: Adjusted) -> None:
        """Change a port back unless another call has come to rely on it."""
        now = self.ports.find(adjusted.port["id"]) if adjusted.before else None
        if now is None:
            return
        if not marks.same(now, adjusted.port) or _has_others(now, adjusted.revision):
            LOG.warning("port %s is another call's too, and stays", now["id"])
            return
        change = difference(now, adjusted.before)
        after = self.ports.change(now, change) if change else None
        if after and not is_alone(now, change, after):
            # Another call has come to rely on it just before.
            LOG.warning("port %s is another call's too, and is as it was", now["id"])
            self.ports.update(now["id"], {name: now[name] for name in change})


def _has_others(port: Json, revision: int | None) -> bool:
    """Tell by a port's revision number whether another call has changed it.

    Its mark may have been overwritten by the change of which the answer is lost.
    """
    if revision is None:
        return False
    now = int(port["revision_number"])
    return now > revision if is_marked(port) else now != revision
