# SPDX-License-Identifier: Apache-2.0
"""networker's options in Octavia's configuration."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from octavia.common import config
from octavia.opts import list_opts
from oslo_config import cfg

from networker.octavia import options
from networker.octavia.driver import NetworkerDriver
from networker.octavia.lookups import connect
from networker.rpc import contract
from tests.octavia.unit.recorder import Recorder


def values(conf: cfg.ConfigOpts) -> dict[tuple[str, str], object]:
    """Return the value of each of Octavia's options."""
    known = [(group, opt.dest) for group, opts in list_opts() for opt in opts]
    return {
        (group, name): conf[name] if group == "DEFAULT" else conf[group][name]
        for group, name in known
        if name in (conf if group == "DEFAULT" else conf[group])
    }


BEFORE_AND_AFTER = """
import sys
from octavia.common import config
from tests.octavia.unit.test_config import values
from networker.octavia.lookups import connect
conf = config.cfg.CONF
config.init(["--config-file", sys.argv[1]])
before = values(conf)
connect()
assert len(before) > 200, len(before)
assert values(conf) == before
print(conf.networker.topic, conf.networker_octavia.api_timeout, conf.control_exchange)
"""


def test_octavia_keeps_its_options(tmp_path):
    """Registering networker's changes none of Octavia's, and finds its own in the file."""
    path = tmp_path / "octavia.conf"
    path.write_text(
        "[DEFAULT]\\ntransport_url = fake:/\\n"
        "[task_flow]\\nmax_workers = 3\\n"
        "[networker]\\ntopic = elsewhere\\n"
        "[networker_octavia]\\napi_timeout = 7\\n".replace("\\n", "\n")
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BEFORE_AND_AFTER, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split()[-3:] == ["elsewhere", "7.0", "octavia"]


def test_each_method_has_its_time():
    """Every method that Octavia has is bound by one of the three options."""
    octavias = {n for n, m in contract.methods().items() if m.operation.since < "1.2"}
    assert options.TIMEOUTS.keys() == octavias
    named = {opt.name for _, opts in options.list_opts() for opt in opts}
    others = {"lookup_cache_seconds", "api_pool_timeout"}
    assert set(options.TIMEOUTS.values()) == named - others


def test_the_api_is_not_kept_waiting(monkeypatch):
    """What the API calls is bound by seconds, a detach by more than Neutron's 300."""
    recorder = Recorder()
    monkeypatch.setattr(NetworkerDriver, "_clients", recorder)
    options.register(config.cfg.CONF)
    driver = NetworkerDriver()
    driver.get_subnet("a")
    driver.update_vip_sg({"id": "lb"}, {"port_id": "p"})
    driver.unplug_network("server", "network")
    assert recorder.timeouts == {
        "get_subnet": 20,
        "update_vip_sg": 120,
        "unplug_network": 330,
    }


def test_only_look_ups_of_the_api_are_impatient(monkeypatch, balancer):
    """Controllers, and what changes something, wait for a restart of the workers."""
    recorder = Recorder()
    monkeypatch.setattr(NetworkerDriver, "_clients", recorder)
    options.register(config.cfg.CONF)
    driver = NetworkerDriver()
    monkeypatch.delitem(sys.modules, "octavia.api.app", raising=False)
    driver.get_port("p")
    assert recorder.patience == {"get_port": None}
    importlib.import_module("octavia.api.app")
    driver.get_port("p")
    driver.allocate_vip(balancer.lb)
    assert recorder.patience == {"get_port": 1.5, "allocate_vip": None}


def test_controllers_are_told_from_the_api():
    """No process of Octavia's but the API has the module by which that is known."""
    controllers = ("octavia_worker", "health_manager", "house_keeping", "driver_agent")
    names = ", ".join(f"octavia.cmd.{name}" for name in controllers)
    code = f"import {names}, sys; print('octavia.api.app' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split()[-1] == "False"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("transport_url", "nonsense", r"\[networker\] transport_url"),
        ("forward_user_tokens", True, r"\[networker\] user_token_keys"),
    ],
)
def test_a_wrong_configuration_is_told(conf, name, value, told):
    """The error of every call names the option to mend."""
    conf.config(group="networker", **{name: value})
    with pytest.raises(ValueError, match=told):
        connect()
