# SPDX-License-Identifier: Apache-2.0
"""What is looked up again and again is asked for once, for a few seconds."""

from __future__ import annotations

import contextlib
import threading
from concurrent import futures

import pytest
from octavia.common import constants
from octavia.common.data_models import Member, Pool
from octavia.controller.worker.v2.tasks import network_tasks
from octavia.network import base

from networker import exceptions
from networker.octavia.lookup_cache import LookupCache
from tests.octavia.unit.objects import new

MEMBERS = 1000
SUBNETS = ("member-subnet-1", "member-subnet-1b", "member-subnet-2")


class Asked:
    """Answers with the number of the question, and fails while it has errors."""

    def __init__(self, *errors: Exception) -> None:
        self.times = 0
        self.errors = list(errors)

    def __call__(self) -> int:
        self.times += 1
        if self.errors:
            raise self.errors.pop()
        return self.times


@pytest.fixture
def counted(sandbox, monkeypatch):
    """Methods that the worker was asked for, in order."""
    asked: list[str] = []
    for name in ("get_subnet", "get_network", "get_plugged_networks"):
        method = getattr(sandbox, name)

        def count(*args, name=name, method=method, **kwargs):
            asked.append(name)
            return method(*args, **kwargs)

        monkeypatch.setattr(sandbox, name, count)
    return asked


@pytest.fixture
def database(monkeypatch, balancer):
    """Octavia's database, which has one load balancer with many members."""
    lb = balancer.lb
    subnets = [balancer.subnets[name] for name in SUBNETS]
    pool = Pool(id=new(), load_balancer=lb, load_balancer_id=lb.id)
    pool.members = [
        Member(
            id=new(),
            pool=pool,
            subnet_id=subnets[n % len(subnets)],
            provisioning_status=constants.ACTIVE,
            vnic_type=constants.VNIC_TYPE_NORMAL,
        )
        for n in range(MEMBERS)
    ]
    lb.pools = [pool]

    class Session:
        begin = contextlib.nullcontext

    monkeypatch.setattr(network_tasks.db_apis, "get_session", Session)
    repository = network_tasks.repo.LoadBalancerRepository
    monkeypatch.setattr(repository, "get", lambda *_, **__: lb)
    return lb


def test_a_thousand_members_on_three_subnets(
    driver, sandbox, counted, database, balancer, conf
):
    """Octavia's own task reads three subnets, and finds what has to be plugged."""
    lb = database
    conf.config(
        amp_boot_network_list=[balancer.networks["lb-mgmt-net"]],
        group="controller_worker",
    )
    for one in lb.amphorae:  # the task wants the VIP's network to be plugged
        driver.plug_network(one.compute_id, lb.vip.network_id)
    known = {
        constants.LOADBALANCER_ID: lb.id,
        constants.VIP_SUBNET_ID: lb.vip.subnet_id,
        constants.VIP_NETWORK_ID: lb.vip.network_id,
    }
    deltas = network_tasks.CalculateDelta().execute(known, {})
    assert counted.count("get_subnet") == len(SUBNETS)
    assert counted.count("get_plugged_networks") == len(lb.amphorae) == 2
    networks = {balancer.networks[f"member-net-{n}"] for n in (1, 2)}
    for one in lb.amphorae:
        added = deltas[one.id][constants.ADD_NICS]
        assert {nic[constants.NETWORK_ID] for nic in added} == networks


def test_callers_get_objects_of_their_own(driver, counted, balancer):
    """What a caller changes, the next one does not see."""
    network = balancer.networks["vip-net"]
    first = driver.get_network(network)
    first.subnets.append("another")
    first.name = "changed"
    second = driver.get_network(network)
    assert (second.name, "another" in second.subnets) == ("vip-net", False)
    assert counted == ["get_network"]


def test_users_are_always_answered_anew(driver, counted, balancer, conf):
    """A request's context is asked for, also where users see everything."""

    class Request:
        auth_token = "secret"
        user_id = project_id = "someone"

    conf.config(allow_invisible_resource_usage=True, group="networking")
    for _ in range(2):
        driver.get_subnet(balancer.subnets["vip-subnet"], context=Request())
    assert counted == ["get_subnet"] * 2


def test_it_can_be_turned_off(driver, counted, balancer, conf):
    """With 0 seconds each look-up is asked for."""
    conf.config(lookup_cache_seconds=0, group="networker_octavia")
    for _ in range(2):
        driver.get_subnet(balancer.subnets["vip-subnet"])
    assert counted == ["get_subnet"] * 2


def test_what_is_not_there_is_asked_for_again(driver, sandbox, counted, balancer):
    """Errors are not kept."""
    subnet = balancer.subnets["vip-subnet"]
    sandbox.fail_next("get_subnet", exceptions.SubnetNotFound(subnet_id=subnet))
    with pytest.raises(base.SubnetNotFound):
        driver.get_subnet(subnet)
    assert driver.get_subnet(subnet).id == subnet


def test_answers_grow_old():
    """An answer serves for its time, counted from when it was asked for."""
    cache, ask = LookupCache(), Asked()
    assert [cache.get("key", 60, ask) for _ in range(3)] == [1, 1, 1]
    assert cache.get("other", 60, ask) == 2
    assert [cache.get("third", -1, ask) for _ in range(2)] == [3, 4]


def test_memory_is_bounded():
    """Many different questions do not fill it: what was asked long before is forgotten."""
    cache, ask = LookupCache(), Asked()
    for key in range(1001):
        cache.get(key, 60, ask)
    assert cache.get(0, 60, ask) == 1002


@pytest.mark.parametrize("errors", [[], [KeyError("no")]], ids=["well", "failing"])
def test_who_asks_at_once_asks_once(errors):
    """Others wait for the first one's answer; if it fails, they ask for themselves."""
    cache, ask = LookupCache(), Asked(*errors)
    asking, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        asking.set()
        assert go_on.wait(30)
        return ask()

    with futures.ThreadPoolExecutor(9) as threads:
        first = threads.submit(cache.get, "key", 60, slow)
        assert asking.wait(30)
        others = [threads.submit(cache.get, "key", 60, ask) for _ in range(8)]
        go_on.set()
        assert isinstance(first.exception(), KeyError) == bool(errors)
        answers = {other.result() for other in others}
    assert answers == {1} if not errors else answers <= set(range(2, 10))
    assert cache.get("key", 60, ask) in range(1, 11)
