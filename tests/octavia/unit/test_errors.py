# SPDX-License-Identifier: Apache-2.0
"""The errors that Octavia catches, and what it shows of them."""

from __future__ import annotations

import logging

import pytest
from octavia.common import exceptions as common
from octavia.network import base

from networker import exceptions
from networker.octavia import errors
from networker.rpc import codec, contract

SAID = {"orig_msg": "IP 10.0.0.7 is 100% taken", "orig_code": 409}


@pytest.mark.parametrize(
    ("method", "error", "kind"),
    [
        ("allocate_vip", exceptions.VIPInUse, base.VIPInUseException),
        ("allocate_vip", exceptions.VIPInUse, base.AllocateVIPException),
        ("allocate_vip", exceptions.AddressInUse, base.VIPInUseException),
        ("allocate_vip", exceptions.QuotaExceeded, base.AllocateVIPException),
        ("allocate_vip", exceptions.SubnetNotFound, base.AllocateVIPException),
        ("allocate_vip", exceptions.CallTimeout, base.AllocateVIPException),
        ("create_port", exceptions.QuotaExceeded, base.CreatePortException),
        ("create_port", exceptions.NetworkNotFound, base.NetworkNotFound),
        ("deallocate_vip", exceptions.VIPInUse, base.DeallocateVIPException),
        (
            "deallocate_vip",
            exceptions.VIPConfigurationNotFound,
            base.DeallocateVIPException,
        ),
        ("delete_port", exceptions.CloudUnavailable, common.NetworkServiceError),
        ("delete_port", exceptions.InvalidRequest, common.NetworkServiceError),
        ("failover_preparation", exceptions.PortNotFound, base.PortNotFound),
        ("get_network", exceptions.NetworkException, base.NetworkException),
        ("get_port", exceptions.BusUnavailable, base.NetworkException),
        ("get_qos_policy", exceptions.QosPolicyNotFound, base.QosPolicyNotFound),
        (
            "get_security_group",
            exceptions.SecurityGroupNotFound,
            base.SecurityGroupNotFound,
        ),
        ("get_subnet", exceptions.SubnetNotFound, base.SubnetNotFound),
        ("plug_aap_port", exceptions.NoMoreAddresses, base.PlugVIPException),
        ("plug_aap_port", exceptions.AmphoraNotFound, base.AmphoraNotFound),
        ("plug_port", exceptions.PlugNetworkException, base.PlugNetworkException),
        ("set_port_admin_state_up", exceptions.PortNotFound, base.PortNotFound),
        ("unplug_aap_port", exceptions.TimeoutException, base.UnplugVIPException),
        ("unplug_network", exceptions.AmphoraNotFound, base.NetworkNotFound),
        ("unplug_network", exceptions.TimeoutException, base.UnplugNetworkException),
        ("unplug_vip", exceptions.PluggedVIPNotFound, base.PluggedVIPNotFound),
        (
            "update_vip",
            exceptions.MissingVIPSecurityGroup,
            common.MissingVIPSecurityGroup,
        ),
        ("update_vip_sg", exceptions.PortNotFound, base.PortNotFound),
    ],
)
def test_octavias_callers_catch_it(method, error, kind):
    """Octavia gets the class that its own driver raises, with what the cloud said."""
    made = errors.translate(method, error(**SAID))
    assert isinstance(made, kind)
    assert [made.orig_msg, made.orig_code] == list(SAID.values())


def test_every_error_of_every_method_is_octavias():
    """No error of networker's own reaches Octavia, and each says what happened."""
    for method in contract.methods():
        for kind in codec.error_classes().values():
            made = errors.translate(method, kind("it is 100% %(broken)s"))
            assert isinstance(made, common.OctaviaException), (method, kind)
            missing = isinstance(made, common.MissingVIPSecurityGroup)
            assert missing or "it is 100% %(broken)s" in str(made), (method, kind)


def test_only_a_taken_address_is_a_taken_address():
    """A quota that is used up is not told as an address in use."""
    for kind in (exceptions.QuotaExceeded, exceptions.NoMoreAddresses):
        made = errors.translate("allocate_vip", kind(**SAID))
        assert not isinstance(made, base.VIPInUseException)


def test_the_api_shows_what_the_cloud_said():
    """The API puts the cloud's words in place of the message, and shows the error."""
    for kind in (exceptions.VIPInUse, exceptions.QuotaExceeded):
        made = errors.translate("allocate_vip", kind("refused", **SAID))
        assert str(made) == "refused"
        made.message = made.orig_msg
        assert str(made) == SAID["orig_msg"]


def test_an_operator_reads_what_octavia_hides(caplog):
    """Failures of the bus and the cloud are logged, since the API says "not found"."""
    caplog.set_level(logging.ERROR)
    for error in (exceptions.BusUnavailable(), exceptions.PortNotFound(port_id="p")):
        with pytest.raises(base.NetworkException), errors.translated("get_port"):
            raise error
    assert "the message bus cannot be reached" in caplog.text
    assert "port p does not exist" not in caplog.text


def test_an_octavia_that_lacks_a_class_has_its_base(monkeypatch):
    """An error that the installed Octavia does not know is the next best one."""
    monkeypatch.delattr(base, "SecurityGroupNotFound")
    monkeypatch.delattr(base, "CreatePortException")
    for method, kind in (
        ("get_security_group", exceptions.SecurityGroupNotFound),
        ("create_port", exceptions.CreatePortException),
    ):
        assert type(errors.translate(method, kind())) is base.NetworkException
