# SPDX-License-Identifier: Apache-2.0
"""One client for each process, and when it is made."""

from __future__ import annotations

import os
import threading

import pytest
from octavia.common import utils
from octavia.network import base

from networker import rpc
from networker.octavia.driver import NetworkerDriver
from networker.octavia.lookups import Lookups
from networker.octavia.process import PerProcess
from tests.octavia.unit.objects import new


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


def test_a_forked_process_has_a_client_of_its_own(driver, sandbox):
    """A child makes another client, even if a thread made the parent's during the fork."""
    network = sandbox.backdoor.networks()[0].id
    assert driver.get_network(network).id == network
    clients = Lookups._clients
    mine = clients.mine()
    with clients._locks[os.getpid()]:  # a thread is making it
        child = os.fork()
        if not child:
            os._exit(0 if clients.mine() is not mine else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert driver.get_network(network).id == network
    assert clients.mine() is mine
