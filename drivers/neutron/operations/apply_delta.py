# SPDX-License-Identifier: Apache-2.0
"""Change the plugging of several servers at once.

What is added is undone when anything fails, removals included, which come last. A port
that is removed cannot be restored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from networker.context import require_time
from networker.drivers import delta as reading
from networker.drivers.base import NetworkDriver
from networker.drivers.delta import AddressChange, NewInterface, OldInterface
from networker.drivers.flow import OnFailure, Task, task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import PortAnswer
from networker.drivers.neutron.resources import addresses, interfaces
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.operation import failing_as
from networker.models import Delta, Interface


def run(cloud: Cloud, deltas: Sequence[Delta]) -> list[Interface]:
    """Change the plugging of one or several servers, all at the same time."""
    reading.check(deltas)
    wanted: list[NewInterface | AddressChange] = []
    for delta in deltas:
        wanted += [*reading.new_interfaces(delta), *reading.address_changes(delta)]
    gone = [one for delta in deltas for one in reading.old_interfaces(delta)]
    if not (wanted or gone):
        return []
    with failing_as(NetworkDriver.unplug_network, **_about(gone)):
        # What is added has errors of its own.
        ports = _apply(cloud, wanted, gone)
    return [_interface(*pair) for pair in zip(wanted, ports, strict=True)]


def _apply(
    cloud: Cloud,
    wanted: Sequence[NewInterface | AddressChange],
    gone: Sequence[OldInterface],
) -> list[PortAnswer]:
    """Add what is wanted, then remove what is to go, and return the ports of the former."""
    changing = [one.port_id for one in wanted if isinstance(one, AddressChange)]
    look = task(_look, name="look", cloud=cloud, ids=changing)
    adding = [_task(cloud, one, look) for one in wanted]
    find = task(interfaces.find, name="find", cloud=cloud, wanted=gone)
    with OnFailure("apply_delta") as on_failure:
        run = cloud.flows.run
        looks, finds = [look] if changing else [], [find] if gone else []
        done = run("apply_delta", looks, [*adding, *finds], on_failure=on_failure)
        if gone:
            # As the last thing that can fail.
            interfaces.remove(cloud, "apply_delta", done[find])
        if wanted:
            require_time()
    return [done[one] for one in adding]


def _task(
    cloud: Cloud, one: NewInterface | AddressChange, look: Task[list[PortAnswer]]
) -> Task[PortAnswer]:
    about: dict[str, Any] = {"reverts_itself": True, "cloud": cloud}
    if isinstance(one, NewInterface):
        return task(interfaces.plug, name=f"plug {_key(one)}", new=one, **about)
    name = f"readdress {_key(one)}"
    return task(_readdress, name=name, change=one, seen=look, **about)


def _key(one: NewInterface | AddressChange) -> str:
    where = one.network_id if isinstance(one, NewInterface) else one.port_id
    return f"{one.compute_id} {where}"


def _look(cloud: Cloud, ids: Sequence[str]) -> list[PortAnswer]:
    with failing_as(NetworkDriver.get_ports):
        return cloud.ports.list(id=ids)


def _readdress(
    cloud: Cloud,
    change: AddressChange,
    seen: Sequence[PortAnswer],
    on_failure: OnFailure,
) -> PortAnswer:
    gained = [{"subnet_id": subnet_id} for subnet_id in change.gained]
    port = next((one for one in seen if one["id"] == change.port_id), None)
    with failing_as(NetworkDriver.plug_fixed_ip, port_id=change.port_id):
        return addresses.exchange(
            cloud, change.port_id, gained, change.lost, on_failure, port
        )


def _about(gone: Sequence[OldInterface]) -> dict[str, str]:
    """Return what errors say of interfaces that were to go; of several, all ids."""
    servers = sorted({one.compute_id for one in gone})
    networks = sorted({one.network_id for one in gone})
    return {"compute_id": ", ".join(servers), "network_id": ", ".join(networks)}


def _interface(one: NewInterface | AddressChange, port: PortAnswer) -> Interface:
    interface = translation.interface(port, one.compute_id)
    interface.amphora_id = one.amphora_id
    return interface
