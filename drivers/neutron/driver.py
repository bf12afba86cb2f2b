# SPDX-License-Identifier: Apache-2.0
"""The neutron driver: OpenStack's own network and compute services."""

from __future__ import annotations

from collections.abc import Sequence

from oslo_config import cfg

from networker.drivers.neutron import options, roles
from networker.drivers.neutron.cloud import Cloud
from networker.drivers.neutron.errors import Refused
from networker.drivers.neutron.methods.amphorae import AmphoraMethods
from networker.drivers.neutron.methods.interfaces import InterfaceMethods
from networker.drivers.neutron.methods.lookups import LookupMethods
from networker.drivers.neutron.methods.ports import PortMethods
from networker.drivers.neutron.methods.vips import VipMethods
from networker.drivers.neutron.session import CloudRefused
from networker.exceptions import CloudUnavailable


class NeutronDriver(
    VipMethods, AmphoraMethods, InterfaceMethods, PortMethods, LookupMethods
):
    """A network that Neutron has, and servers that Nova has.

    It keeps no state but the session with the cloud, which the first request opens: an
    instance may be carried over a fork until then.

    A call that fails, or ends after its deadline, takes back what it did itself, as far as
    no other copy of it has come to rely on that (:mod:`.marks`), and as long as the request
    is still this worker's. What removes things (deallocate_vip, unplug_vip,
    unplug_aap_port, unplug_network, unplug_fixed_ip, delete_port) takes nothing back: what
    it has removed was to go, finishing late is harmless, and repeating it removes the rest.
    So do set_port_admin_state_up and apply_qos_on_port, which are one request. Two copies
    that fail both may leave what one of them made: so does a worker that is killed. It is
    adopted when the call is repeated, or removed by its inverse.

    :param conf: a configuration on which :func:`networker.conf.register` was called; its
        groups ``[neutron]`` and ``[nova]`` say where the cloud is
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options.register(conf)
        super().__init__(Cloud.configured(conf))

    def check(self) -> Sequence[str]:
        """Make sure that the cloud lets the driver in and that both services answer.

        :returns: roles that Neutron's default policies want and the user lacks
        :raises CloudRefused: it does not, or the configuration is incomplete; the message
            is one line and says why
        :raises CloudUnavailable: it did not answer within the time that a request has
        """
        self._cloud.session.check()
        try:
            self._cloud.network.get("/networks", limit=1, fields="id")
            self._cloud.compute.api.get("/servers", limit=1)
        except Refused as error:
            why = self._cloud.session.explain(error) or error.orig_msg
            raise CloudRefused(f"{self._cloud.session}: {why}") from error
        except CloudUnavailable as error:
            why = self._cloud.session.explain(error)
            if why is None:
                raise
            raise CloudRefused(f"{self._cloud.session}: {why}") from error
        return roles.lacking(self._cloud.network.roles())

    def describe(self) -> dict[str, str]:
        """Return the cloud, and the roles that the user has in it."""
        return {
            "cloud": self._cloud.session.place(),
            "roles": roles.describe(self._cloud.network.roles()),
        }

    def close(self) -> None:
        """Close connections and threads."""
        self._cloud.close()
