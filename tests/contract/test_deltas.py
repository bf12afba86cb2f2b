# SPDX-License-Identifier: Apache-2.0
"""The suite's tests of this name, in the settings of conftest.py."""

import pytest

from networker.testing.contract.test_deltas import *  # noqa: F403
from networker.testing.contract.test_deltas import adding


class TestKind:
    @pytest.mark.parametrize("setting", ["sandbox-fake", "neutron-fake"], indirect=True)
    def test_gives_the_kind_of_connection(self, network, world, servers):
        """An interface's vnic_type is its port's."""
        delta = adding(world, servers[0])
        delta.add_nics[0].vnic_type = "macvtap"
        (made,) = network.apply_delta([delta])
        assert made.vnic_type == world.port(made.port_id).vnic_type == "macvtap"
