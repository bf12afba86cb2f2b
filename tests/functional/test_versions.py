# SPDX-License-Identifier: Apache-2.0
"""Callers and workers of different releases, over the in-memory bus.

A release of interface 1.0 is played by oslo.messaging alone, with the messages that it
sends and understands, written out.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import oslo_messaging
import pytest
from oslo_config import cfg

from networker import exceptions, rpc
from networker.models import VIP, Delta, Listener, LoadBalancer, Port, UserContext
from networker.rpc import contract, transport
from networker.testing import kit
from tests.functional.test_bus import echo

OLD = json.loads(
    (pathlib.Path(__file__).parents[1] / "contract" / "1.0.json").read_text()
)


@pytest.fixture
def conf(tmp_path: pathlib.Path) -> cfg.ConfigOpts:
    """A configuration with a bus of its own."""
    return kit.configuration(tmp_path / "unused.sqlite")


class OldWorker:
    """What a worker of interface 1.0 offers to the bus."""

    target = oslo_messaging.Target(namespace=contract.NAMESPACE, version="1.0")

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        #: What else it answers with.
        self.more: dict[str, Any] = {}

    @oslo_messaging.expose
    def get_port(self, context: Any, *, port_id: str) -> dict[str, Any]:
        self.calls.append(("get_port", {"port_id": port_id}))
        return {"worker": "old:1", "result": {"id": port_id}, **self.more}

    @oslo_messaging.expose
    def update_vip(self, context: Any, *, load_balancer: Any) -> dict[str, Any]:
        self.calls.append(("update_vip", {"load_balancer": load_balancer}))
        return {"worker": "old:1", "result": None}


@pytest.fixture
def old_worker(conf: cfg.ConfigOpts) -> Iterator[OldWorker]:
    """A pool of workers that are older than the proxy."""
    bus, endpoint = transport.open_transport(conf), OldWorker()
    server = oslo_messaging.get_rpc_server(
        bus,
        contract.target(conf, server="old"),
        [endpoint],
        access_policy=oslo_messaging.ExplicitRPCAccessPolicy,
    )
    server.start()
    yield endpoint
    server.stop()
    server.wait()
    bus.cleanup()


@pytest.fixture
def client(conf: cfg.ConfigOpts) -> Iterator[rpc.Client]:
    """The proxy of this release."""
    with rpc.connect(conf) as client:
        yield client.with_options(timeout=10)


def balancer() -> LoadBalancer:
    return LoadBalancer(
        id="lb",
        vip=VIP(ip_address="10.0.0.1", sg_ids=["g"]),
        listeners=[Listener(protocol="TCP", protocol_port=80)],
    )


def test_an_older_pool_answers_what_it_knows(old_worker, client):
    """A call that needs nothing newer is sent as the old version knows it."""
    assert client.get_port("p") == Port(id="p")
    client.update_vip(balancer(), for_delete=False)
    (_, first), (_, second) = old_worker.calls
    assert first == {"port_id": "p"}
    assert second["load_balancer"]["vip"]["ip_address"] == "10.0.0.1"


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.qos_enabled(),
        lambda client: client.delete_port("p"),
        lambda client: client.update_vip(balancer(), for_delete=True),
        lambda client: client.admin_down_port("p"),
    ],
    ids=["method", "mutator", "argument", "alias"],
)
def test_an_older_pool_refuses_what_is_newer_at_once(old_worker, client, call):
    """A newer method or argument is UnsupportedVersion long before the timeout."""
    with pytest.raises(exceptions.UnsupportedVersion) as caught:
        call(client.with_options(timeout=60))
    assert caught.value.version == "1.1"
    assert old_worker.calls == []


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.apply_delta([Delta(compute_id="c")]),
        lambda client: client.get_subnets(["s"]),
    ],
    ids=["mutator", "read"],
)
def test_batches_need_a_pool_of_1_2(old_worker, client, call):
    """What an older pool does not have is refused at once, for the caller to do singly."""
    with pytest.raises(exceptions.UnsupportedVersion) as caught:
        call(client.with_options(timeout=60))
    assert caught.value.version == "1.2"
    assert old_worker.calls == []


def test_an_older_proxy_is_served(conf):
    """Every method of 1.0 takes the messages of 1.0; its answer has no surprise."""
    driver, calls = echo(get_port=Port(id="p", qos_policy_id="q"), plug_vip=[])
    wire = {"load_balancer": {"id": "lb", "amphorae": []}, "vip": {"port_id": "p"}}
    with kit.served(conf, driver):
        bus = transport.open_transport(conf)
        old = oslo_messaging.get_rpc_client(
            bus, contract.target(conf, namespace=contract.NAMESPACE, version="1.0")
        ).prepare(timeout=10)
        assert old.call({}, "get_port", port_id="p")["result"]["id"] == "p"
        assert old.call({}, "plug_vip", **wire)["result"] == []
        bus.cleanup()
    assert [name for name, _ in calls] == ["get_port", "plug_vip"]


def test_methods_of_1_0_have_only_grown_by_optional_arguments():
    """Signatures of 1.0 are the present ones without what was added since."""
    for name, signature in OLD["methods"].items():
        method = contract.methods()[name]
        assert method.operation.since == "1.0"
        old = [p for p in method.parameters if p not in method.operation.added]
        added = [method.parameters[p] for p in method.operation.added]
        assert all(parameter.default is not parameter.empty for parameter in added)
        kept = method.signature.replace(parameters=[method.parameters[p] for p in old])
        assert str(kept) == signature


def test_models_and_errors_of_1_0_are_there_with_their_fields():
    """Nothing was taken away, and no type of a field has changed."""
    from tests.unit.test_contract import interface

    now = interface()
    for name, fields in OLD["models"].items():
        assert fields.items() <= now["models"][name].items()
    for name, attributes in OLD["exceptions"].items():
        assert set(attributes) <= set(now["exceptions"][name])


def test_an_error_that_is_newer_than_the_caller_is_its_base(conf):
    """The answer names the class's bases, of which an older caller takes the first."""
    error = exceptions.MissingVIPSecurityGroup(load_balancer_id="lb")
    driver, _ = echo(update_vip=lambda **_: _raise(error))
    with kit.served(conf, driver):
        bus = transport.open_transport(conf)
        old = oslo_messaging.get_rpc_client(
            bus, contract.target(conf, namespace=contract.NAMESPACE, version="1.0")
        ).prepare(timeout=10)
        lb = {"id": "lb", "vip": {"ip_address": "10.0.0.1"}}
        kinds = old.call({}, "update_vip", load_balancer=lb)["error"]["kinds"]
        bus.cleanup()
    assert kinds[:2] == ["MissingVIPSecurityGroup", "PluggedVIPNotFound"]
    assert set(kinds) & OLD["exceptions"].keys()


def _raise(error: Exception) -> None:
    raise error


def test_a_context_needs_a_newer_pool(client):
    """A read on behalf of a user is a newer request than the same read without."""
    operation = contract.methods()["get_port"].operation
    assert operation.version({"port_id": "p"}) == "1.0"
    context = UserContext(auth_token="secret")
    assert operation.version({"port_id": "p", "context": context}) == "1.1"
