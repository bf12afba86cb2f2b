# SPDX-License-Identifier: Apache-2.0
"""The interface is what its version says that it is."""

from __future__ import annotations

import inspect
import json
import pathlib
import pickle
import re
import typing

import msgspec
import pytest

from networker import exceptions, models
from networker.drivers import base
from networker.models import Model
from networker.rpc import Casts, codec, contract
from networker.rpc.casts import Cast
from networker.rpc.proxy import Proxy

SNAPSHOT = (
    pathlib.Path(__file__).parents[1] / "contract" / f"{base.INTERFACE_VERSION}.json"
)
SEED = {
    "allocate_vip",
    "deallocate_vip",
    "failover_preparation",
    "get_network",
    "get_plugged_networks",
    "get_port",
    "get_subnet",
    "plug_network",
    "plug_vip",
    "unplug_network",
    "unplug_vip",
    "update_vip",
}

OCTAVIA = {
    "apply_qos_on_port",
    "create_port",
    "delete_port",
    "get_network_by_name",
    "get_network_configs",
    "get_network_ip_availability",
    "get_port_by_name",
    "get_port_by_net_id_device_id",
    "get_qos_policy",
    "get_security_group",
    "get_security_group_by_id",
    "get_subnet_by_name",
    "plug_aap_port",
    "plug_fixed_ip",
    "plug_port",
    "qos_enabled",
    "sec_grp_enabled",
    "set_port_admin_state_up",
    "unplug_aap_port",
    "unplug_fixed_ip",
    "update_aap_port_sg",
    "update_vip_sg",
}

#: Methods that save round trips, and that Octavia does not have.
BATCHED = {"apply_delta", "get_networks", "get_ports", "get_subnets"}


def interface() -> dict[str, typing.Any]:
    """Return the interface as data: methods, fields of models, errors."""
    structs = {
        name: kind
        for name, kind in vars(models).items()
        if inspect.isclass(kind) and issubclass(kind, Model) and kind is not Model
    }
    return {
        "methods": {n: str(m.signature) for n, m in contract.methods().items()},
        "models": {
            name: {
                f.name: str(f.type).replace("networker.models.", "")
                for f in sorted(msgspec.structs.fields(kind), key=lambda f: f.name)
            }
            for name, kind in sorted(structs.items())
        },
        "exceptions": {
            name: sorted(kind.names())
            for name, kind in sorted(codec.error_classes().items())
        },
    }


def test_interface_is_that_of_its_version():
    """A change of the interface raises its version and adds a snapshot."""
    assert SNAPSHOT.exists(), f"write {SNAPSHOT.name} from interface()"
    assert interface() == json.loads(SNAPSHOT.read_text()), (
        "the interface has changed: raise INTERFACE_VERSION and add its snapshot"
    )


def test_all_methods_of_the_seed_and_of_octavia_are_there():
    """1.0 is the seed's interface, 1.1 what it has become in Octavia, 1.2 batches."""
    since = {n: m.operation.since for n, m in contract.methods().items()}
    assert {name for name, version in since.items() if version == "1.0"} == SEED
    assert {name for name, version in since.items() if version == "1.1"} == OCTAVIA
    assert {name for name, version in since.items() if version == "1.2"} == BATCHED


def test_octavias_name_for_taking_a_port_down_is_no_method_of_its_own():
    """It is the same request as set_port_admin_state_up, under another name."""
    assert "admin_down_port" not in contract.methods()
    assert callable(base.NetworkDriver.admin_down_port)


@pytest.mark.parametrize("method", contract.methods().values(), ids=lambda m: m.name)
def test_docstrings_say_everything(method):
    """Purpose, every parameter, results, errors, idempotency and source are told."""
    doc = method.doc
    for name in method.parameters:
        assert f":param {name}:" in doc
    told = ":returns:" in doc or doc.startswith("Return ")
    assert told == (method.returns is not type(None))
    raised = re.findall(r":raises (\w+):", doc)
    assert raised
    assert all(name in codec.error_classes() for name in raised)
    assert "Source: " in doc.replace("\n", " ")
    assert ("Idempotent" in doc) == method.operation.mutates


@pytest.mark.parametrize("method", contract.methods().values(), ids=lambda m: m.name)
def test_required_paths_exist(method):
    """Every id that an operation requires is a parameter or a field of one."""
    for path in method.operation.requires:
        parameter, *fields = path.split(".")
        annotation = method.parameters[parameter].annotation
        kind = next(iter(typing.get_args(annotation)), annotation)
        for field in fields:
            hints = typing.get_type_hints(kind)
            assert field in hints
            kind = next(iter(typing.get_args(hints[field])), hints[field])


def test_errors_are_drawn_in_the_docstring():
    """The tree in the module's docstring has every error."""
    drawn = set(re.findall(r"\w+", exceptions.__doc__ or ""))
    assert codec.error_classes().keys() <= drawn


def test_checks_come_before_an_implementation():
    """A driver's own code does not run when a required id is empty."""
    ran = []

    class Recorder(base.NetworkDriver):
        pass

    def get_port(self, port_id):
        ran.append(port_id)

    body = dict.fromkeys(base.operations(), lambda *_: None) | {"get_port": get_port}
    driver = type("Driver", (Recorder,), body)()
    with pytest.raises(exceptions.InvalidRequest):
        driver.get_port(" ")
    driver.get_port("x")
    assert ran == ["x"]


def test_casts_have_every_method_and_are_no_driver():
    """Whoever wants answers is not given ids."""
    casts = {name for name, kind in vars(Casts).items() if isinstance(kind, Cast)}
    assert casts == set(contract.methods())
    assert not issubclass(Casts, base.NetworkDriver)


def test_the_proxy_can_be_found_under_its_name():
    """Pickles, logs and debuggers name the class that there is."""
    assert pickle.loads(pickle.dumps(Proxy)) is Proxy
    assert issubclass(Proxy, base.NetworkDriver)
    assert Proxy.__qualname__ == "Proxy"
