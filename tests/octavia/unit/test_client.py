# SPDX-License-Identifier: Apache-2.0
"""One client for each process, and when it is made."""

from __future__ import annotations

import importlib
import os
import threading
import time
import uuid

import pytest
from octavia.common import exceptions as common
from octavia.common import utils, validate
from octavia.network import base

from networker import rpc
from networker.drivers.sandbox.driver import SandboxDriver
from networker.octavia.driver import NetworkerDriver
from networker.octavia.process import PerProcess
from networker.rpc.server import Server
from networker.testing import kit
from tests.octavia.unit.objects import new

NOWHERE = "11111111-2222-4333-8444-555555555555"


def test_making_a_driver_does_nothing(conf):
    """A driver is made for every task; it neither connects nor reads the configuration."""
    conf.config(transport_url="carrier-pigeon://coop/", group="networker")
    first, second = utils.get_network_driver(), utils.get_network_driver()
    assert type(first) is NetworkerDriver
    assert vars(first) == vars(second) == {}
    with pytest.raises(base.NetworkException, match="carrier-pigeon"):
        first.get_network(new())


def test_all_threads_share_one_client(conf, sandbox):
    """Whoever asks first makes the client for everybody, also when all ask at once."""
    made: list[rpc.Client] = []
    begin = threading.Barrier(16)

    def connect() -> rpc.Client:
        made.append(rpc.connect(conf.conf))
        return made[-1]

    clients = PerProcess(connect)

    def ask() -> None:
        begin.wait()
        assert clients.mine().get_network(network) is not None

    network = sandbox.backdoor.networks()[0].id
    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_forked_process_has_one_of_its_own():
    """A child makes another one, even if a thread made the parent's during the fork."""
    parent, begun, go_on = os.getpid(), threading.Event(), threading.Event()

    def make() -> int:
        if os.getpid() == parent:
            begun.set()
            go_on.wait(60)
        return os.getpid()

    numbers = PerProcess(make)
    thread = threading.Thread(target=numbers.mine)
    thread.start()
    begun.wait(60)
    child = os.fork()
    if not child:
        os._exit(0 if numbers.mine() == os.getpid() else 1)
    go_on.set()
    thread.join()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert numbers.mine() == parent


def test_the_api_learns_soon_that_nobody_listens(
    conf, broker, tmp_path, monkeypatch, caplog
):
    """Without workers a look-up of the API fails, and the log says why.

    So it is before any worker has ever been there, and when all are gone.
    """
    importlib.import_module("octavia.api.app")
    topic = f"t-{uuid.uuid4()}"
    conf.config(transport_url=broker.url, topic=topic, group="networker")
    driver = utils.get_network_driver()

    def look() -> None:
        caplog.clear()
        began = time.monotonic()
        with pytest.raises(common.InvalidSubresource, match=NOWHERE):
            validate.subnet_exists(NOWHERE)
        # 3 s on an idle machine; `api_timeout` is 20 s, and `pool_timeout` 30 s.
        assert time.monotonic() - began < 8

    look()
    assert f"no worker has declared networker/{topic}" in caplog.text
    workers = kit.configuration(tmp_path / "sandbox.sqlite")
    workers.set_override("transport_url", broker.url)
    workers.set_override("topic", topic, "networker")
    server = Server(workers, SandboxDriver(workers))
    server.start()
    with pytest.raises(base.SubnetNotFound):
        driver.get_subnet(NOWHERE)
    server.stop()
    look()
    assert f"no worker listens to networker/{topic}" in caplog.text
