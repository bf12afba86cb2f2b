# SPDX-License-Identifier: Apache-2.0
"""The plugging of several servers changed at once: one call of apply_delta.

What is added is undone when anything fails, removals included, which come last. A port
that is removed cannot be restored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from networker import exceptions
from networker.drivers import delta as reading
from networker.drivers.deadline import require_time
from networker.drivers.delta import Change, Gone, Nic
from networker.drivers.flow import Step, step, undoing
from networker.drivers.neutron import addressing, nics, translate
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import refused_as
from networker.drivers.neutron.nics import Found
from networker.drivers.neutron.revocable import Done, revocable
from networker.drivers.neutron.translate import Json
from networker.models import Delta, Interface


def apply(cloud: Cloud, deltas: Sequence[Delta]) -> list[Interface]:
    """Do what :meth:`NetworkDriver.apply_delta` says."""
    reading.check(deltas)
    wanted: list[Nic | Change] = []
    for delta in deltas:
        wanted += [*reading.nics(delta), *reading.changes(delta)]
    gone = [one for delta in deltas for one in reading.gone(delta)]
    if not (wanted or gone):
        return []
    with refused_as(exceptions.UnplugNetworkException, **_about(gone)):
        # What is added has errors of its own.
        results = cloud.flows.run("apply_delta", *_waves(cloud, wanted, gone))
        done: list[Done] = [results[_key(one)] for one in wanted]
        _remove(cloud, results.get("found"), done)
    return [_interface(*pair) for pair in zip(wanted, done, strict=True)]


def _waves(
    cloud: Cloud, wanted: Sequence[Nic | Change], gone: Sequence[Gone]
) -> Iterator[list[Step]]:
    """Return the steps that add what is wanted, and look for what is to go."""
    changing = [one.port_id for one in wanted if isinstance(one, Change)]
    if changing:
        yield [step(_look, name="look", provides="seen", cloud=cloud, ids=changing)]
    steps = [_step(cloud, one) for one in wanted]
    if gone:
        steps.append(
            step(nics.find, name="find", provides="found", cloud=cloud, wanted=gone)
        )
    yield steps


def _step(cloud: Cloud, one: Nic | Change) -> Step:
    about: dict[str, Any] = {"provides": _key(one), "undo": Done.take_back}
    if isinstance(one, Nic):
        name = f"plug {_key(one)}"
        return step(nics.connect, name=name, cloud=cloud, nic=one, **about)
    name = f"readdress {_key(one)}"
    return step(_readdress, name=name, cloud=cloud, change=one, **about)


def _key(one: Nic | Change) -> str:
    return f"{one.compute_id} {one.network_id if isinstance(one, Nic) else one.port_id}"


def _look(cloud: Cloud, ids: Sequence[str]) -> list[Json]:
    with refused_as(exceptions.NetworkException):
        return cloud.ports.list(id=ids)


def _readdress(cloud: Cloud, change: Change, seen: Sequence[Json]) -> Done:
    gained = [{"subnet_id": subnet_id} for subnet_id in change.gained]
    port = next((one for one in seen if one["id"] == change.port_id), None)
    with refused_as(exceptions.NetworkException, port_id=change.port_id):
        return revocable(
            f"readdress {change.port_id}",
            lambda on_failure: addressing.exchange(
                cloud, change.port_id, gained, change.lost, on_failure, port
            ),
        )


def _about(gone: Sequence[Gone]) -> dict[str, str]:
    """Return what errors say of interfaces that were to go; of several, all ids."""
    servers = sorted({one.compute_id for one in gone})
    networks = sorted({one.network_id for one in gone})
    return {"compute_id": ", ".join(servers), "network_id": ", ".join(networks)}


def _remove(cloud: Cloud, found: Found | None, done: Sequence[Done]) -> None:
    """Remove interfaces, as the last thing that can fail.

    :param done: what was added, to be taken back then
    """
    with undoing("apply_delta") as on_failure:
        for one in done:
            on_failure(one.take_back)
        if found:
            nics.remove(cloud, "apply_delta", found)
        if done:
            require_time()


def _interface(one: Nic | Change, done: Done) -> Interface:
    interface = translate.interface(done.port, one.compute_id)
    interface.amphora_id = one.amphora_id
    return interface
