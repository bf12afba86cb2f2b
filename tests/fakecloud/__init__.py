# SPDX-License-Identifier: Apache-2.0
"""A fake cloud for tests: Keystone, Neutron and Nova over HTTP, with the lab's contents.

It keeps state and refuses what the real services refuse, in their words, as far as this
project's drivers and tests ask. What was compared with Neutron 29 and Nova 34 is meant to
be the same; what nobody here needs is missing, and is refused.
"""

from __future__ import annotations

import contextlib
import pathlib
import re
import threading
from collections.abc import Iterator
from typing import Any, Literal, Self

import yaml

from tests.fakecloud.contents import populate
from tests.fakecloud.groups import Groups
from tests.fakecloud.http import Front, HttpServer, Recorded, Service, Trouble
from tests.fakecloud.keystone import Keystone
from tests.fakecloud.neutron import Neutron
from tests.fakecloud.nova import Nova
from tests.fakecloud.state import PASSWORD, USER, Answer, Json, Request, State

__all__ = ["FakeCloud", "Recorded"]


class FakeCloud:
    """A cloud of its own, served while the context lasts.

    :param detach_delay: seconds after which Nova has detached a port
    """

    def __init__(self, detach_delay: float = 0.05) -> None:
        self.detach_delay = detach_delay
        self.state = State()
        populate(self.state)
        self._nova = Nova(self.state, lambda: self.detach_delay)
        services: dict[str, Service] = {
            "identity": Keystone(self.state),
            "network": Neutron(self.state),
            "compute": self._nova,
        }
        self._front = Front(services, self.state.lock)
        self._server = HttpServer(self._front)

    def __enter__(self) -> Self:
        """Begin to serve."""
        threading.Thread(
            target=self._server.serve_forever, args=[0.02], daemon=True
        ).start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop, and end all connections."""
        self._server.close()
        self._nova.close()

    @property
    def url(self) -> str:
        """Where the services are."""
        return self._server.url

    @property
    def quotas(self) -> dict[str, int]:
        """How many of a resource, such as ``port``, each project may have."""
        return self.state.quotas

    @property
    def missing(self) -> set[str]:
        """Extensions, such as ``qos``, that Neutron does not have."""
        return self.state.missing

    def limit_lists(self, most: int | None) -> None:
        """Let Neutron list so many resources in one answer, and link the others."""
        with self.state.lock:
            self.state.most = most

    @property
    def default_rules(self) -> list[Json]:
        """Rules that every new security group begins with, besides the usual ones."""
        return self.state.default_rules

    @property
    def requests(self) -> list[Recorded]:
        """Everything that was asked, in order."""
        with self.state.lock:
            return list(self._front.requests)

    @contextlib.contextmanager
    def recording(self) -> Iterator[list[Recorded]]:
        """Yield a list that has, after the block, what was asked inside it."""
        start = len(self.requests)
        made: list[Recorded] = []
        try:
            yield made
        finally:
            made += self.requests[start:]

    def answer(self, request: Request) -> Answer:
        """Carry a request out that did not come by HTTP."""
        answer = self._front.answer(request)
        assert answer is not None, "failures on purpose are of connections"
        return answer

    def fail(
        self,
        service: str,
        method: str,
        path_regex: str,
        *,
        times: int = 1,
        status: int | None = None,
        retry_after: str | int | None = None,
        body: Json | None = None,
        drop: Literal["before", "after"] | None = None,
    ) -> None:
        """Make the next requests of a kind fail.

        :param service: network, compute or identity
        :param path_regex: is searched for in the path, such as ``/ports/0b5e…$``
        :param times: how many requests
        :param status: the answer, given instead of carrying the request out
        :param retry_after: its header Retry-After
        :param drop: close the connection instead, before or after the request has been
            carried out
        """
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        answer = None if status is None else Answer(status, body, headers)
        path = re.compile(path_regex)
        with self.state.lock:
            self._front.troubles.append(
                Trouble(service, method, path, answer, drop, times)
            )

    def forgive(self) -> None:
        """Let no more requests fail on purpose."""
        with self.state.lock:
            self._front.troubles.clear()

    def save(self) -> State:
        """Return a copy of everything that exists."""
        with self.state.lock:
            return self.state.copy()

    def restore(self, saved: State) -> None:
        """Let exactly that exist which was saved."""
        self._nova.close()
        with self.state.lock:
            self.state.become(saved.copy())

    def make_group(self, name: str, project_id: str) -> str:
        """Make a security group as somebody of a project would, and return its id."""
        with self.state.lock:
            group = Groups(self.state).make(name, project_id)
        return str(group["id"])

    def expire_tokens(self) -> None:
        """Make all tokens invalid."""
        with self.state.lock:
            self.state.tokens.clear()

    def clouds(self, **auth: str) -> dict[str, Any]:
        """Return the contents of a clouds.yaml in which this cloud is called ``fake``.

        It is called ``fake-demo`` for a user of the project ``demo``.

        :param auth: credentials other than the right ones
        """
        credentials = {
            "auth_url": f"{self.url}/identity/v3",
            "username": USER,
            "password": PASSWORD,
            "project_name": "service",
            "user_domain_id": "default",
            "project_domain_id": "default",
        }
        cloud = {
            "auth_type": "password",
            "auth": credentials | auth,
            "region_name": "RegionOne",
            "interface": "public",
            "identity_api_version": 3,
        }
        demo = {"username": "demo", "project_name": "demo"}
        other = {**cloud, "auth": credentials | demo}
        return {"clouds": {"fake": cloud, "fake-demo": other}}

    def write_clouds(self, path: pathlib.Path) -> pathlib.Path:
        """Write a clouds.yaml in which this cloud is ``fake`` and ``fake-demo``."""
        path.write_text(yaml.safe_dump(self.clouds()))
        return path
