# SPDX-License-Identifier: Apache-2.0
"""How Octavia is configured here: as an operator would, but for a database in a file.

What stands in for a part of Octavia that needs more than a cloud's API: the amphora
driver is Octavia's noop driver, since no guest runs on the lab's hypervisor.
"""

from __future__ import annotations

import configparser
import pathlib
from collections.abc import Mapping

import openstack.config
from octavia.common import config
from octavia.tests.common import sample_certs

from tests.octavia.flows.cloud import Cloud

Settings = Mapping[str, Mapping[str, object]]


def configure(
    cloud: Cloud,
    driver: str,
    directory: pathlib.Path,
    more: list[pathlib.Path],
) -> None:
    """Read Octavia's configuration, before anything of its controller is imported.

    Modules of the controller take numbers out of it while they are imported.

    :param driver: the name of the network driver
    :param directory: where configuration, database and log are put
    :param more: configuration files read after it
    """
    path = write(directory / "octavia.conf", _settings(cloud, driver, directory))
    files = [argument for p in (path, *more) for argument in ("--config-file", str(p))]
    config.init(files)
    # SQLAlchemy has no pool for SQLite, and refuses Octavia's default.
    config.cfg.CONF.set_override("pool_timeout", None, "database")


def write(path: pathlib.Path, settings: Settings) -> pathlib.Path:
    """Write a configuration file and return its path."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(settings)
    with path.open("w") as file:
        parser.write(file)
    return path


def _settings(cloud: Cloud, driver: str, directory: pathlib.Path) -> Settings:
    certificate, key = directory / "ca.pem", directory / "ca.key"
    certificate.write_bytes(sample_certs.X509_CERT)
    key.write_bytes(sample_certs.X509_CERT_KEY)
    file = directory.resolve() / "octavia.sqlite"
    file.unlink(missing_ok=True)
    return {
        **access(cloud.name),
        "database": {"connection": f"sqlite:///{file}?timeout=30"},
        "certificates": {
            "cert_manager": "noop_cert_manager",
            "ca_certificate": certificate,
            "ca_private_key": key,
        },
        "controller_worker": _controller(cloud, driver, certificate),
        "haproxy_amphora": {"api_db_commit_retry_attempts": 3},
        "networking": {"port_detach_timeout": 60},
    }


def access(cloud: str) -> Settings:
    """Return how Octavia reaches a cloud.

    :param cloud: its name in clouds.yaml
    """
    region = openstack.config.OpenStackConfig().get_one(cloud)
    where = {"region_name": region.region_name}
    login = {"auth_type": "password", **region.get_auth_args(), **where}
    return {
        "service_auth": login,
        "neutron": {**login, "valid_interfaces": "public"},
        "nova": where,
        "glance": where,
    }


def _controller(
    cloud: Cloud, driver: str, certificate: pathlib.Path
) -> Mapping[str, object]:
    return {
        "network_driver": driver,
        "amphora_driver": "amphora_noop_driver",
        "compute_driver": "compute_nova_driver",
        "amp_flavor_id": cloud.flavors["m1.amphora"],
        "amp_image_tag": "amphora",
        "amp_boot_network_list": cloud.networks["lb-mgmt-net"],
        "amp_secgroup_list": cloud.mgmt_group,
        "amp_active_wait_sec": 1,
        "amp_active_retries": 120,
        "client_ca": certificate,
        "event_notifications": False,  # there is no bus of Octavia's
    }
