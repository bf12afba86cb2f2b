# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a real cluster tell of themselves, and where calls go by that."""

from __future__ import annotations

import contextlib
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import amqp
import pytest

from networker import exceptions, rpc
from networker.rpc.rabbitmq.call_queue import arguments, node_of
from networker.rpc.rabbitmq.queues import calls_name
from networker.testing import processes
from networker.testing.cluster import Cluster
from networker.testing.rabbitmq import Node
from tests.integration.test_call_queue import opened, published, serving, settled
from tests.integration.test_worker import eventually

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def cluster(broker: Node) -> Iterator[Cluster]:
    """Two nodes; the private node only says whether there can be any."""
    assert broker.pid
    with Cluster(2) as nodes:
        policy = '{"queue-master-locator": "random"}'
        nodes.control("set_policy", "spread", "^q-", policy, "--apply-to", "queues")
        yield nodes


@pytest.fixture
def conf_at(configured):
    """Return a configuration that names one node, of one topic for all."""
    topic = f"t-{uuid.uuid4()}"

    def make(node: Node, query: str = "") -> Any:
        default = {"transport_url": node.url + query}
        networker = {"topic": topic, "threads": 2}
        return processes.configuration(configured(DEFAULT=default, networker=networker))

    return make


def test_each_node_has_a_name_of_its_own(cluster):
    with contextlib.ExitStack() as stack:
        channels = [stack.enter_context(opened(node)) for node in cluster.nodes]
        names = [node_of(channel) for channel in channels]
    assert None not in names
    assert len(set(names)) == 2


def test_a_queue_is_on_the_node_that_its_arguments_name_whatever_a_policy_says(cluster):
    here, there = cluster.nodes
    for _ in range(4):
        queue = f"q-{uuid.uuid4()}"
        with opened(here) as channel, opened(there) as other:
            options = {"durable": True, "auto_delete": False}
            made = arguments(node_of(channel) or "", channel)
            channel.queue_declare(queue, arguments=made, **options)
            assert cluster.leader(queue) is here
            made = arguments(node_of(other) or "", other)
            with pytest.raises(amqp.PreconditionFailed):
                other.queue_declare(queue, arguments=made, **options)


def test_a_caller_relies_on_the_queue_for_calls_on_its_own_node_alone(cluster, conf_at):
    here, there = cluster.nodes
    near, far = conf_at(here), conf_at(there)
    with rpc.connect(near) as one, rpc.connect(far) as other:
        with serving(near):
            assert settled(one, 30)
            assert not settled(other)
        for client in (one, other):
            with pytest.raises(exceptions.CallTimeout):
                client.with_options(timeout=1).get_network("n")
    topic = near.networker.topic
    assert published(here, calls_name(topic)) == published(here, topic) == 1


def test_workers_go_on_without_the_queue_for_calls_while_its_node_is_lost(
    cluster, conf_at
):
    """They use it again when the node is back; it could not be made anew meanwhile."""
    here, there = cluster.nodes
    # Half a cluster has no majority, which quorum queues need.
    conf = conf_at(there, "?rabbit_quorum_queue=false")
    queue = calls_name(conf.networker.topic)
    with opened(here) as channel:
        made = {"x-expires": 600_000} | arguments(node_of(channel) or "", channel)
        channel.queue_declare(queue, durable=True, auto_delete=False, arguments=made)
    with serving(conf), rpc.connect(conf) as client:
        assert consumers(there, queue) == 1
        here.stop(signal.SIGTERM)
        try:
            assert client.get_network("n").id == "n"
            assert consumers(there, queue) is None
        finally:
            here.start()
        eventually(lambda: consumers(there, queue) == 1)


def consumers(node: Node, queue: str) -> int | None:
    """Return how many consume from a queue; None where it cannot be asked."""
    with opened(node) as channel:
        try:
            return int(channel.queue_declare(queue, passive=True).consumer_count)
        except amqp.NotFound:
            return None
