# SPDX-License-Identifier: Apache-2.0
"""Who sees what in a sandbox: tokens, projects, and groups that share a name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from networker import exceptions
from networker.drivers.sandbox.driver import SandboxDriver
from networker.drivers.sandbox.topology import identify, project_id
from networker.models import UserContext
from tests.unit.test_sandbox import MEMBER_NET, VIP_NET, balancer, new_driver

PROJECTS = """
networks:
  - {name: mine, project: one}
  - {name: theirs, project: two}
  - {name: shared, project: two, shared: true}
  - {name: external, project: two, router_external: true}
subnets:
  - {name: mine, network: mine, cidr: 10.1.0.0/24}
  - {name: theirs, network: theirs, cidr: 10.2.0.0/24}
  - {name: shared, network: shared, cidr: 10.3.0.0/24}
  - {name: external, network: external, cidr: 10.4.0.0/24}
qos_policies:
  - {name: mine, project: one}
  - {name: theirs, project: two}
  - {name: shared, project: two, shared: true}
"""
ONE = UserContext(auth_token="user-of:one")


@pytest.fixture(name="driver")
def _driver(tmp_path: Path) -> SandboxDriver:
    return new_driver(tmp_path, PROJECTS)


def shown(
    read: Callable[..., object], ids: dict[str, str], user: UserContext = ONE
) -> set[str]:
    """Return the names under which a user finds something."""
    found = set()
    for name, known in ids.items():
        read(known)
        with contextlib.suppress(exceptions.NotFound):
            read(known, user)
            found.add(name)
    return found


def test_what_a_user_sees(driver: SandboxDriver) -> None:
    """What is the project's, and what others share; the service sees all of it."""
    names = ["mine", "theirs", "shared", "external"]
    nets = {name: identify("network", name) for name in names}
    subnets = {name: identify("subnet", name) for name in names}
    policies = {name: identify("qos policy", name) for name in names[:3]}
    assert shown(driver.get_network, nets) == {"mine", "shared", "external"}
    assert shown(driver.get_subnet, subnets) == {"mine", "shared", "external"}
    assert shown(driver.get_qos_policy, policies) == {"mine", "shared"}


def test_which_ports_a_user_sees(driver: SandboxDriver) -> None:
    """The project's, wherever they are, and others' on its networks, as in Neutron."""
    door = driver.backdoor
    places = {"mine": "mine", "theirs": "mine", "shared": "shared", "other": "shared"}
    owners = {"mine": "one", "theirs": "two", "shared": "one", "other": "two"}
    ids = {
        name: str(
            door.create_port(
                identify("network", place), project_id=project_id(owners[name])
            ).id
        )
        for name, place in places.items()
    }
    assert shown(driver.get_port, ids) == {"mine", "theirs", "shared"}


def test_which_groups_a_user_sees(driver: SandboxDriver) -> None:
    """The project's own."""
    ids = {
        project: driver.backdoor.create_security_group("web", project)
        for project in ("one", "two", "service")
    }
    assert shown(driver.get_security_group_by_id, ids) == {"one"}


def test_a_project_may_be_named_by_its_id(driver: SandboxDriver) -> None:
    """The token with the id is as good as the one with the name."""
    by_id = UserContext(auth_token=f"user-of:{project_id('one')}")
    nets = {name: identify("network", name) for name in ("mine", "theirs")}
    assert shown(driver.get_network, nets, by_id) == {"mine"}


@pytest.mark.parametrize("token", ["one", "user-of:", "user-of:nobody", "", "gAAAA"])
def test_a_token_that_is_none(driver: SandboxDriver, token: str) -> None:
    """It is refused, whatever is looked for, and is not in the error."""
    user = UserContext(auth_token=token)
    for read in (
        driver.get_network,
        driver.get_subnet,
        driver.get_port,
        driver.get_security_group_by_id,
        driver.get_qos_policy,
    ):
        with pytest.raises(exceptions.NetworkException) as caught:
            read("nowhere", user)
        assert caught.value.orig_code == 401
        assert not isinstance(caught.value, exceptions.NotFound)
        assert "user-of" not in str(caught.value)


def test_groups_of_one_name(tmp_path: Path) -> None:
    """A stranger's is neither used nor deleted; of the service's, the oldest is used."""
    driver = new_driver(tmp_path)
    door = driver.backdoor
    stranger = door.create_security_group("lb-lb", "demo")
    with pytest.raises(exceptions.SecurityGroupNotFound) as caught:
        driver.get_security_group("lb-lb")
    assert caught.value.security_group_id == "lb-lb"
    lb = balancer("lb")
    lb.vip = driver.allocate_vip(lb)
    ours = driver.update_vip_sg(lb, lb.vip)
    assert ours not in (None, stranger)
    door.create_security_group("lb-lb", "service")
    assert driver.update_vip_sg(lb, lb.vip) == ours
    assert door.security_groups()["lb-lb"].id == ours
    found = driver.get_security_group("lb-lb")
    assert found is not None
    assert (found.id, found.project_id) == (ours, project_id("service"))
    assert len(found.security_group_rule_ids) == 2 + 4
    driver.deallocate_vip(lb.vip)
    left = [group["id"] for group in door.tables()["security_groups"]]
    assert left == [stranger]


def test_the_smallest_id_of_one_name(tmp_path: Path) -> None:
    """Of several ports it is not the first that was made."""
    driver = new_driver(tmp_path)
    for port_id in ("b", "a", "c"):
        driver.backdoor.create_port(
            MEMBER_NET, id=port_id, name="web", device_id="device"
        )
    assert driver.get_port_by_name("web").id == "a"
    found = driver.get_port_by_net_id_device_id(MEMBER_NET, "device")
    assert found.id == "a"
    with pytest.raises(exceptions.PortNotFound, match="device"):
        driver.get_port_by_net_id_device_id(VIP_NET, "device")
    for read in (
        driver.get_network_by_name,
        driver.get_subnet_by_name,
        driver.get_port_by_name,
    ):
        with pytest.raises(exceptions.NotFound, match="nothing"):
            read("nothing")
