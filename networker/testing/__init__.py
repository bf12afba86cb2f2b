# SPDX-License-Identifier: Apache-2.0
"""What a controller tests itself with: a whole networker in its own process.

The pytest plugin is found by itself. Its fixture ``network`` is a client whose requests
cross an in-memory bus to a sandbox; ``network_driver`` is that sandbox, to look into its
state and to make calls fail::

    def test_failed_plug_is_undone(network, network_driver):
        network_driver.fail_next("plug_vip", exceptions.PlugVIPException())
        with pytest.raises(exceptions.PlugVIPException):
            my_controller(network).create(...)
        assert not network_driver.backdoor.ports(device_owner="Octavia")
"""
