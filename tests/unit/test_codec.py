# SPDX-License-Identifier: Apache-2.0
"""What crosses the bus arrives as it was sent."""

from __future__ import annotations

import copy
import datetime
import json
import pickle
import typing

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from networker import exceptions, models
from networker.models import Model
from networker.rpc import codec, contract

STRUCTS = sorted(
    (k for k in vars(models).values() if isinstance(k, type) and issubclass(k, Model)),
    key=lambda kind: kind.__name__,
)
#: Big models take their time, and a busy machine more of it.
patient = settings(
    deadline=None, max_examples=50, suppress_health_check=list(HealthCheck)
)
VALUES: dict[typing.Any, st.SearchStrategy[typing.Any]] = {
    str: st.text(),
    int: st.integers(-(2**53), 2**53),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    datetime.datetime: st.datetimes(),
    type(None): st.none(),
}


def values_of(kind: typing.Any) -> st.SearchStrategy[typing.Any]:
    """Return a strategy for the values of a type."""
    arguments = typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return st.deferred(lambda: instances(kind))
    if typing.get_origin(kind) is list:
        return st.lists(values_of(arguments[0]), max_size=3)
    if arguments:
        return st.one_of(*map(values_of, arguments))
    return VALUES[kind]


def instances(kind: type[msgspec.Struct]) -> st.SearchStrategy[msgspec.Struct]:
    """Return a strategy for instances of a model."""
    hints = typing.get_type_hints(kind)
    fields = {name: values_of(hints[name]) for name in kind.__struct_fields__}
    return st.builds(kind, **fields)


@pytest.mark.long
@pytest.mark.parametrize("kind", STRUCTS, ids=lambda k: k.__name__)
@patient
@given(data=st.data())
def test_models_survive_the_wire(kind, data):
    """Every model is the same after JSON."""
    value = data.draw(instances(kind))
    wire = json.loads(json.dumps(msgspec.to_builtins(value)))
    assert msgspec.convert(wire, kind) == value


def errors(kind: type[exceptions.NetworkException]):
    """Return a strategy for errors of a class."""
    simple = st.one_of(st.text(), st.integers(-(2**53), 2**53), st.booleans())
    attributes = st.dictionaries(st.sampled_from(sorted(kind.names())), simple)
    return st.builds(lambda text, given: kind(text, **given), st.text(), attributes)


@pytest.mark.parametrize(
    "kind", codec.error_classes().values(), ids=lambda k: k.__name__
)
@patient
@given(data=st.data())
def test_errors_survive_the_wire(kind, data):
    """Class, message and attributes of every error arrive."""
    error = data.draw(errors(kind))
    wire = json.loads(json.dumps(msgspec.to_builtins(codec.encode_error(error))))
    arrived = codec.decode_error(msgspec.convert(wire, codec.Error))
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert arrived.attributes() == error.attributes()


@pytest.mark.parametrize(
    "kind", codec.error_classes().values(), ids=lambda k: k.__name__
)
def test_errors_can_be_made_and_copied(kind):
    """Every error has a message without one, and copies and pickles whole."""
    error = kind(orig_msg="no", orig_code=409)
    assert "no" in str(error) or str(error)
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(other) is kind
        assert (str(other), other.orig_code) == (str(error), 409)
    with pytest.raises(TypeError, match="no attribute 'colour'"):
        kind(colour="blue")


def test_a_newer_workers_error_is_its_known_parent():
    """An error of a class that this release lacks is the first base that it knows."""
    wire = codec.Error(
        kinds=["AddressOnFire", "VIPInUse", "NetworkException"],
        message="hot",
        attributes={"ip_address": "192.0.2.1", "kelvin": 900},
    )
    error = codec.decode_error(wire)
    assert type(error) is exceptions.VIPInUse
    assert (str(error), error.ip_address) == ("hot", "192.0.2.1")
    unknown = codec.decode_error(codec.Error(kinds=["Alien"], message="?"))
    assert type(unknown) is exceptions.NetworkException


def test_attributes_without_json_arrive_as_text():
    """An attribute that JSON has no word for does not stop the answer."""
    error = exceptions.WorkerError("bad", worker=["a", object()])
    arrived = codec.decode_error(codec.encode_error(error))
    assert "object" in str(arrived.attributes()["worker"])


def test_unknown_fields_are_ignored_and_unknown_arguments_refused():
    """Models may grow; arguments are what the interface says."""
    method = contract.methods()["failover_preparation"]
    wire = {"amphora": {"compute_id": "c", "colour": "blue"}}
    assert codec.decode_arguments(method, wire)["amphora"].compute_id == "c"
    with pytest.raises(exceptions.InvalidRequest, match="unknown argument 'b'"):
        codec.decode_arguments(method, wire | {"b": 1})
    with pytest.raises(exceptions.InvalidRequest, match="amphora"):
        codec.decode_arguments(method, {})


def test_arguments_that_are_none_by_default_are_not_sent():
    """So that a newer worker's default applies."""
    method = contract.methods()["plug_network"]
    bound = {"compute_id": "c", "network_id": "n", "ip_address": None}
    assert codec.encode_arguments(method, bound) == {
        "compute_id": "c",
        "network_id": "n",
    }


@pytest.mark.parametrize("wire", [None, 5, [], "text", {"error": {}}])
def test_a_strange_answer_is_a_worker_error(wire):
    """What is no answer is not mistaken for one."""
    with pytest.raises(exceptions.WorkerError):
        codec.decode_answer(contract.methods()["get_port"], wire)


def test_a_strange_result_is_a_worker_error():
    """A result of another type than the interface's is named."""
    with pytest.raises(exceptions.WorkerError, match="get_port"):
        codec.decode_result(contract.methods()["get_port"], {"id": 5})


@pytest.mark.parametrize("name", sorted(codec.error_classes()))
def test_what_to_do_is_told_once(name):
    """An error's note is what its class advises, over the bus and in copies too."""
    error = codec.error_classes()[name]("something happened")
    wire = codec.encode_error(error)
    assert wire.message == "something happened"
    for other in (error, codec.decode_error(wire), pickle.loads(pickle.dumps(error))):
        notes = getattr(other, "__notes__", [])
        assert notes == ([type(other).advice] if type(other).advice else [])
