# SPDX-License-Identifier: Apache-2.0
"""A driver that does not have all methods, directly and over the bus."""

from __future__ import annotations

import pytest

from networker import exceptions
from networker.drivers import toolkit
from networker.drivers.base import operations
from networker.models import Port
from networker.rpc import codec
from networker.testing import kit


class OneMethod(toolkit.PartialDriver):
    """A driver whose author has just begun."""

    def get_port(self, port_id, context=None):
        return Port(id=port_id)


@pytest.fixture(params=["direct", "bus"])
def partial(request, tmp_path):
    """Such a driver, or a proxy to it."""
    driver = OneMethod()  # type: ignore[abstract]
    if request.param == "direct":
        yield driver
    else:
        with kit.served(kit.configuration(tmp_path / "unused"), driver) as client:
            yield client


def test_what_is_written_answers(partial):
    """One method is enough for an instance that can be called."""
    assert partial.get_port("p") == Port(id="p")


def test_what_is_not_written_says_so(partial):
    """The caller learns which method of which driver is missing, and what to do."""
    with pytest.raises(exceptions.NotImplementedByDriver) as caught:
        partial.get_network("n")
    assert caught.value.attributes() == {"method": "get_network", "driver": "OneMethod"}
    assert "[networker] driver" in str(caught.value)
    assert not isinstance(caught.value, exceptions.Retriable)


def test_required_ids_come_first(partial):
    """An empty id is what it is with every driver, whether the method is written or not."""
    for call in (partial.get_network, partial.get_port):
        with pytest.raises(exceptions.InvalidRequest):
            call("")


def test_written_names_the_methods():
    """A subclass has what its base has written."""

    class Two(OneMethod):
        def qos_enabled(self):
            return False

    assert toolkit.PartialDriver.written() == set()
    assert Two.written() == {"get_port", "qos_enabled"}
    assert Two.written() < set(operations())


def test_a_caller_of_an_older_release_gets_an_error_that_it_knows(monkeypatch):
    """A peer that does not know the class takes the first of its bases."""
    wire = codec.encode_error(exceptions.NotImplementedByDriver(method="m", driver="d"))
    known = codec.error_classes()
    del known["NotImplementedByDriver"]
    monkeypatch.setattr(codec, "error_classes", lambda: known)
    found = codec.decode_error(wire)
    assert type(found) is exceptions.BusError
    assert (found.method, "does not implement it" in str(found)) == ("m", True)


def test_the_toolkit_says_what_each_of_its_names_is_for():
    """What an author may import is told in one place."""
    for name in toolkit.__all__:
        assert f"`{name}`" in (toolkit.__doc__ or "")
        assert getattr(toolkit, name).__doc__
