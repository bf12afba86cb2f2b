# SPDX-License-Identifier: Apache-2.0
"""Worker processes that drive a cloud, through a proxy that loses answers."""

from __future__ import annotations

import uuid

import openstack.config
from keystoneauth1.session import Session

from tests.chaos.bench import Bench, Setup
from tests.chaos.httpproxy import HttpProxy

#: The versions of Neutron's and Nova's API, as paths below their base URLs.
_VERSIONS = {"network": "/v2.0", "compute": "/v2.1"}


def services(cloud: str) -> dict[str, str]:
    """Return the base URLs of Neutron and Nova, without the version of their API.

    :param cloud: its name in clouds.yaml
    """
    session: Session = openstack.config.OpenStackConfig().get_one(cloud).get_session()
    return {
        service: str(session.get_endpoint(service_type=service))
        .rstrip("/")
        .removesuffix(version)
        for service, version in _VERSIONS.items()
    }


class Clouded(Bench):
    """A bench whose workers drive a cloud.

    :param setup: of the experiment
    :param name: of the experiment
    :param cloud: its name in clouds.yaml
    :param proxy: serves what :func:`services` names
    """

    def __init__(self, setup: Setup, name: str, cloud: str, proxy: HttpProxy) -> None:
        unique = f"{name}-{uuid.uuid4().hex[:8]}"
        region = openstack.config.OpenStackConfig().get_one(cloud)
        settings: dict[str, dict[str, object]] = {
            "DEFAULT": {"transport_url": setup.node.url},
            "networker": {
                "driver": "neutron",
                "workers": 1,
                "threads": 8,
                "topic": f"chaos-{unique}",
                "exchange": f"chaos-{unique}",
                "call_timeout": 120,
            },
            "neutron": {
                "auth_type": "password",
                **region.get_auth_args(),
                "endpoint_override": proxy.url("network") + _VERSIONS["network"],
                "poll_interval": 0.1,
            },
            "nova": {
                "endpoint_override": proxy.url("compute") + _VERSIONS["compute"],
            },
        }
        super().__init__(setup.directory / unique, settings)
