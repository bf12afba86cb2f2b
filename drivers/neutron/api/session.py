# SPDX-License-Identifier: Apache-2.0
"""The session with the cloud: credentials, endpoints, connections and roles."""

from __future__ import annotations

import re
import ssl
import threading
import urllib.parse
from collections.abc import Collection
from typing import Any

import keystoneauth1.exceptions
import openstack
import openstack.exceptions
from keystoneauth1 import loading
from keystoneauth1.session import TCPKeepAliveAdapter
from openstack.connection import Connection
from oslo_config import cfg

from networker import tls
from networker.drivers.base import Misconfigured
from networker.drivers.neutron.api.options import NEUTRON, beside_cloud, tls_files

_URL = re.compile(r"https?://[^/\s]+")


class CloudRefused(Misconfigured):
    """The cloud cannot be used as configured; the message is one line and says why."""

    def __init__(self, why: object) -> None:
        super().__init__(f"cloud refused: {' '.join(str(why).split())}")


class Session:
    """One authenticated session, made when it is first needed.

    Nothing is opened before that, so that an instance may be carried over a fork.

    :param conf: its groups ``[neutron]`` and ``[nova]`` say how to reach the cloud
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def __str__(self) -> str:
        name = self._conf.neutron.cloud
        return f"[{NEUTRON.name}] cloud = {name}" if name else f"[{NEUTRON.name}]"

    def connection(self) -> Connection:
        """Return the connection, the same in all threads.

        :raises CloudRefused: the configuration is incomplete
        """
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection

    def check(self) -> None:
        """Make sure that what the configuration says is sound, as far as that can be seen.

        :raises CloudRefused: it is not
        """
        beside = beside_cloud(self._conf)
        if beside:
            raise CloudRefused(
                f"{self} says all of it, and these options have no effect beside it: "
                f"{'; '.join(beside)}"
            )
        wrong = tls.wrong_files(self._files(), folders=True)
        if wrong:
            raise CloudRefused(wrong)
        self.connection()

    def explain(self, error: BaseException) -> str | None:
        """Return what to mend where an error comes from TLS; None where it does not.

        :param error: what a request ended with
        """
        found = tls.failed(error)
        named = _URL.search(str(error))
        url = urllib.parse.urlsplit(named[0] if named else self.place())
        option, path = self._files()["ca"]
        if isinstance(found, ssl.SSLCertVerificationError):
            trusted = f"{option} = {path}" if path else f"{option}, which is not set"
            why = tls.reason(found)
            return (
                f"the certificate of {url.netloc} is not accepted: {why}; see {trusted}"
            )
        if found is not None and tls.is_plain(found):
            return (
                f"{url.netloc} has no TLS, and is asked by https; see {self._option()}"
            )
        if found is not None and tls.refused(found):
            option, path = self._files()["cert"]
            return (
                f"{url.netloc} refused TLS: {tls.reason(found)}; see {option} = {path}"
            )
        if (
            url.scheme == "http"
            and url.hostname
            and tls.answers_tls(url.hostname, url.port or 80)
        ):
            return f"{url.netloc} wants TLS, and is asked by http; see {self._option()}"
        return None

    def place(self) -> str:
        """Return the URL of Keystone, as far as it is known."""
        try:
            auth: Any = self.connection().session.auth
        except CloudRefused:
            return "unknown"
        return str(getattr(auth, "auth_url", None) or "unknown")

    def _option(self) -> str:
        """Name the option that has the URL of Keystone."""
        name = self._conf.neutron.cloud
        where = f"clouds.yaml: {name}: auth: auth_url" if name else "[neutron] auth_url"
        return f"{where} = {self.place()}"

    def _files(self) -> dict[str, tuple[str, str | None]]:
        """Return the options for certificates with their values."""
        name = self._conf.neutron.cloud
        if not name:
            return tls_files(self._conf)
        config = self.connection().config.config
        return {
            kind: (f"clouds.yaml: {name}: {option}", config.get(option))
            for kind, option in (("ca", "cacert"), ("cert", "cert"), ("key", "key"))
        }

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            connection.session.session.close()

    def _connect(self) -> Connection:
        name = self._conf.neutron.cloud
        connection = self._named(name) if name else self._configured()
        size = self._conf.networker.threads + self._conf.taskflow.max_workers
        adapter = TCPKeepAliveAdapter(pool_connections=8, pool_maxsize=size)
        for scheme in ("http://", "https://"):
            connection.session.session.mount(scheme, adapter)
        return connection

    def _named(self, name: str) -> Connection:
        try:
            return openstack.connect(cloud=name)
        except openstack.exceptions.ConfigException as error:
            known = openstack.config.OpenStackConfig().get_cloud_names()
            why = str(error) if name in known else "no such cloud in clouds.yaml"
            raise CloudRefused(f"{self}: {why}") from error
        except keystoneauth1.exceptions.ClientException as error:
            raise CloudRefused(f"{self}: {error}") from error

    def _configured(self) -> Connection:
        session: Any = loading.load_session_from_conf_options(
            self._conf, NEUTRON.name, auth=self._credentials()
        )
        if session.timeout is None:
            session.timeout = self._conf.neutron.request_timeout
        return Connection(
            session=session,
            oslo_conf=self._conf,
            service_types=["network", "compute"],
        )

    def _credentials(self) -> Any:
        try:
            auth = loading.load_auth_from_conf_options(self._conf, NEUTRON.name)
        except keystoneauth1.exceptions.AuthPluginException as error:
            raise CloudRefused(f"{self}: {error}") from error
        if auth is None:
            raise CloudRefused(
                "set [neutron] cloud, or [neutron] auth_type and auth_url"
            )
        return auth


#: What Neutron's default policies want of who makes ports for load balancers.
_ROLES = ("member", "service")


def lacking_roles(roles: Collection[str] | None) -> list[str]:
    """Say which roles are lacking.

    Not as an error: a cloud may have policies of its own.

    :param roles: those in the user's token; None if it does not tell
    """
    if roles is None or "admin" in roles:
        return []
    missing = [role for role in _ROLES if role not in roles]
    if not missing:
        return []
    text = (
        f"the cloud's user lacks the roles {' and '.join(missing)}, without which "
        f"Neutron's default policies refuse changes; it has {describe_roles(roles)}"
    )
    return [text]


def describe_roles(roles: Collection[str] | None) -> str:
    """Return the roles for people to read."""
    if roles is None:
        return "not checked, since the token does not tell them"
    return ", ".join(sorted(roles)) or "none"
