# SPDX-License-Identifier: Apache-2.0
"""A plain client of a fake cloud, for tests of the cloud itself."""

from __future__ import annotations

from typing import Any

import requests

from tests.fakecloud import FakeCloud
from tests.fakecloud.state import Json


class Client:
    """Sends requests with a token, and keeps what tests need of the contents."""

    def __init__(self, cloud: FakeCloud, name: str = "fake") -> None:
        self.cloud = cloud
        self.name = name
        self.session = requests.Session()
        self.authenticate()
        self.networks = self._ids("/networks")
        self.subnets = self._ids("/subnets")
        answer = self("GET", "/servers", service="compute/v2.1")
        self.servers = {s["name"]: s["id"] for s in answer.json()["servers"]}

    def authenticate(self, **wrong: str) -> requests.Response:
        """Get a token, with credentials other than the right ones if given."""
        auth = self.cloud.clouds(**wrong)["clouds"][self.name]["auth"]
        user = {"name": auth["username"], "password": auth["password"]}
        user["domain"] = {"id": auth["user_domain_id"]}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": auth["project_name"]}}
        url = f"{auth['auth_url']}/auth/tokens"
        body = {"auth": {"identity": identity, "scope": scope}}
        answer = self.session.post(url, json=body)
        token = answer.headers.get("X-Subject-Token", "")
        self.session.headers["X-Auth-Token"] = token
        return answer

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        service: str = "network/v2.0",
        **headers: str,
    ) -> requests.Response:
        """Send a request."""
        url = f"{self.cloud.url}/{service}{path}"
        return self.session.request(method, url, json=body, headers=headers)

    def _ids(self, path: str) -> dict[str, str]:
        found = self("GET", path).json()[path[1:]]
        return {one["name"]: one["id"] for one in found}

    def port(self, **wanted: Any) -> requests.Response:
        """Ask for a port on vip-net."""
        body = {"network_id": self.networks["vip-net"], **wanted}
        return self("POST", "/ports", {"port": body})

    def made(self, **wanted: Any) -> Json:
        """Return a new port."""
        port: Json = self.port(**wanted).json()["port"]
        return port

    def attach(self, port_id: str, server: str = "amphora-0") -> requests.Response:
        """Attach a port to a server."""
        path = f"/servers/{self.servers[server]}/os-interface"
        body = {"interfaceAttachment": {"port_id": port_id}}
        return self("POST", path, body, service="compute/v2.1")

    def detach(self, port_id: str, server: str = "amphora-0") -> requests.Response:
        """Detach a port from a server."""
        path = f"/servers/{self.servers[server]}/os-interface/{port_id}"
        return self("DELETE", path, service="compute/v2.1")

    def change(self, port_id: str, /, **attributes: Any) -> requests.Response:
        """Change a port."""
        return self("PUT", f"/ports/{port_id}", {"port": attributes})

    def device_of(self, port_id: str) -> str:
        """Return whose a port is."""
        return str(self("GET", f"/ports/{port_id}").json()["port"]["device_id"])


def kind(answer: requests.Response) -> tuple[int, str]:
    """Return status and Neutron's name of an error."""
    return answer.status_code, answer.json()["NeutronError"]["type"]
