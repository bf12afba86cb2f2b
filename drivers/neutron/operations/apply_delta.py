# SPDX-License-Identifier: Apache-2.0
"""Change the plugging of several servers at once.

What is added is undone when anything fails, removals included, which come last. A port
that is removed cannot be restored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from networker.context import require_time
from networker.drivers import delta as reading
from networker.drivers.base import NetworkDriver
from networker.drivers.delta import AddressChange, NewInterface, OldInterface
from networker.drivers.flow import Done, Task, revertible, reverting, task
from networker.drivers.neutron.api import translation
from networker.drivers.neutron.api.answers import PortAnswer
from networker.drivers.neutron.resources import addresses, interfaces
from networker.drivers.neutron.resources.cloud import Cloud
from networker.drivers.neutron.resources.interfaces import FoundInterfaces
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
        results = cloud.flows.run("apply_delta", *_waves(cloud, wanted, gone))
        done: list[Done[PortAnswer]] = [results[_key(one)] for one in wanted]
        _remove(cloud, results.get("found"), done)
    return [_interface(*pair) for pair in zip(wanted, done, strict=True)]


def _waves(
    cloud: Cloud,
    wanted: Sequence[NewInterface | AddressChange],
    gone: Sequence[OldInterface],
) -> Iterator[list[Task]]:
    """Return the tasks that add what is wanted, and look for what is to go."""
    changing = [one.port_id for one in wanted if isinstance(one, AddressChange)]
    if changing:
        yield [task(_look, name="look", provides="seen", cloud=cloud, ids=changing)]
    tasks = [_task(cloud, one) for one in wanted]
    if gone:
        tasks.append(
            task(
                interfaces.find, name="find", provides="found", cloud=cloud, wanted=gone
            )
        )
    yield tasks


def _task(cloud: Cloud, one: NewInterface | AddressChange) -> Task:
    about: dict[str, Any] = {"provides": _key(one), "revert": Done.revert}
    if isinstance(one, NewInterface):
        name = f"plug {_key(one)}"
        return task(interfaces.plug, name=name, cloud=cloud, new=one, **about)
    name = f"readdress {_key(one)}"
    return task(_readdress, name=name, cloud=cloud, change=one, **about)


def _key(one: NewInterface | AddressChange) -> str:
    where = one.network_id if isinstance(one, NewInterface) else one.port_id
    return f"{one.compute_id} {where}"


def _look(cloud: Cloud, ids: Sequence[str]) -> list[PortAnswer]:
    with failing_as(NetworkDriver.get_ports):
        return cloud.ports.list(id=ids)


def _readdress(
    cloud: Cloud, change: AddressChange, seen: Sequence[PortAnswer]
) -> Done[PortAnswer]:
    gained = [{"subnet_id": subnet_id} for subnet_id in change.gained]
    port = next((one for one in seen if one["id"] == change.port_id), None)
    with failing_as(NetworkDriver.plug_fixed_ip, port_id=change.port_id):
        return revertible(
            f"readdress {change.port_id}",
            lambda on_failure: addresses.exchange(
                cloud, change.port_id, gained, change.lost, on_failure, port
            ),
        )


def _about(gone: Sequence[OldInterface]) -> dict[str, str]:
    """Return what errors say of interfaces that were to go; of several, all ids."""
    servers = sorted({one.compute_id for one in gone})
    networks = sorted({one.network_id for one in gone})
    return {"compute_id": ", ".join(servers), "network_id": ", ".join(networks)}


def _remove(
    cloud: Cloud, found: FoundInterfaces | None, done: Sequence[Done[PortAnswer]]
) -> None:
    """Remove interfaces, as the last thing that can fail.

    :param done: what was added, to be taken back then
    """
    with reverting("apply_delta") as on_failure:
        for one in done:
            on_failure(one.revert)
        if found:
            interfaces.remove(cloud, "apply_delta", found)
        if done:
            require_time()


def _interface(one: NewInterface | AddressChange, done: Done[PortAnswer]) -> Interface:
    interface = translation.interface(done.result, one.compute_id)
    interface.amphora_id = one.amphora_id
    return interface
