# SPDX-License-Identifier: Apache-2.0
"""The wire between one driver and a fake cloud: requests are counted, and some fail.

It takes the place of the sockets in the driver's own HTTP client, so that it knows whose
request it is, and thousands of calls take seconds. What sockets do is tested on sockets.
"""

from __future__ import annotations

import dataclasses
import io
import json
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any, Literal, Self

import requests
import requests.adapters
import urllib3

from networker.drivers.neutron.driver import NeutronDriver
from tests.fakecloud import FakeCloud
from tests.fakecloud.http import decoded, stripped
from tests.fakecloud.state import Answer, Request

Kind = Literal[
    "status", "reset before", "reset after", "timeout after", "late", "killed"
]


class Killed(BaseException):
    """The process that sent the request is no more."""


@dataclasses.dataclass
class Fault:
    """What goes wrong with the nth request.

    :param number: which request, from 0 on; the one that is hit names method and path
    :param kind: how; "late" is carried out some time after its answer was given up
    :param status: of the answer that is given instead of carrying the request out
    :param lasting: whether later requests of the same method and path fail alike
    :param requests: how many requests a late one comes after, None for all of the call
    """

    number: int
    kind: Kind
    status: int = 0
    lasting: bool = False
    hit: tuple[str, str] | None = None
    requests: int | None = None

    def meets(self, number: int, line: tuple[str, str]) -> bool:
        """Tell whether a request is to fail."""
        if number == self.number:
            self.hit = line
            return True
        if self.hit is None:
            return False
        return self.kind == "killed" or (self.lasting and line == self.hit)


def _nothing() -> None:
    """Do nothing before and after a request."""


class Wire(requests.adapters.BaseAdapter):
    """Carries one driver's requests to a fake cloud.

    :param cloud: where they are carried out
    """

    def __init__(self, cloud: FakeCloud) -> None:
        super().__init__()
        self.cloud = cloud
        self._lock = threading.Lock()
        self.sent: list[tuple[str, str]] = []
        self.fault: Fault | None = None
        self._late: list[tuple[int | None, requests.PreparedRequest]] = []
        self.before_each: Callable[[], None] = _nothing
        self.after_each: Callable[[], None] = _nothing

    @classmethod
    def of(cls, driver: NeutronDriver, cloud: FakeCloud) -> Self:
        """Put a wire between a driver and a cloud, and let the driver log in."""
        wire = cls(cloud)
        connection = driver.cloud.session.connection()
        connection.session.session.mount("http://", wire)
        driver.check()
        wire.begin()
        return wire

    def begin(self, fault: Fault | None = None) -> None:
        """Count from 0 on again."""
        with self._lock:
            self.sent, self.fault = [], fault
            self.before_each = self.after_each = _nothing

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Carry a request out, or fail."""
        self.before_each()
        target = urllib.parse.urlsplit(str(request.url))
        line = (str(request.method), target.path)
        with self._lock:
            number = len(self.sent)
            if "/identity/" not in target.path:
                self.sent.append(line)
            fault = self.fault
        self._catch_up(number)
        failing = (
            "/identity/" not in target.path and fault and fault.meets(number, line)
        )
        try:
            if fault and failing:
                return self._failed(request, fault)
            return self._carried(request)
        finally:
            self.after_each()

    def _failed(
        self, request: requests.PreparedRequest, fault: Fault
    ) -> requests.Response:
        if fault.kind == "killed":
            raise Killed
        if fault.kind == "status":
            return response(request, _refusal(fault.status))
        if fault.kind == "late":
            due = fault.requests and len(self.sent) + fault.requests
            self._late.append((due, request))
            raise requests.ReadTimeout("not served yet")
        if fault.kind == "reset before":
            raise requests.ConnectionError("reset before it was served")
        self._carried(request)
        if fault.kind == "reset after":
            raise requests.ConnectionError("reset after it was served")
        raise requests.ReadTimeout("served, but not in time")

    def _catch_up(self, number: int) -> None:
        """Carry out what is late and due before a request."""
        for due, late in list(self._late):
            if due is not None and number >= due - 1:
                self._late.remove((due, late))
                self._carried(late)

    def finish(self) -> None:
        """Carry out everything that is late."""
        while self._late:
            self._carried(self._late.pop(0)[1])

    def _carried(self, request: requests.PreparedRequest) -> requests.Response:
        target = urllib.parse.urlsplit(str(request.url))
        service, _, rest = target.path.removeprefix("/").partition("/")
        body = request.body or b""
        answer = self.cloud.answer(
            Request(
                service=service,
                method=str(request.method),
                path=stripped(f"/{rest}"),
                query=urllib.parse.parse_qs(target.query, keep_blank_values=True),
                headers={k.title(): str(v) for k, v in request.headers.items()},
                body=decoded(body if isinstance(body, bytes) else body.encode()),
                root=f"{self.cloud.url}/{service}",
            )
        )
        return response(request, answer)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""


def _refusal(status: int) -> Answer:
    if status == 404:
        # A 404 of Neutron's own says that something is gone, and is believed.
        return Answer(404, "<html>no such page</html>")
    error = {"type": "Fault", "message": f"a fault on purpose: {status}"}
    # More than there is time for, so that the driver does not wait.
    headers = {"Retry-After": "60"} if status in (413, 429, 503) else {}
    return Answer(status, {"NeutronError": error}, headers)


def response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    """Return an answer as the driver's HTTP client has it."""
    content = b""
    if answer.body is not None:
        html = isinstance(answer.body, str)
        content = (str(answer.body) if html else json.dumps(answer.body)).encode()
    raw = urllib3.HTTPResponse(io.BytesIO(content), answer.headers, answer.status)
    response = requests.Response()
    response.status_code = answer.status
    response.headers.update(answer.headers)
    response.raw = raw
    response.url = str(request.url)
    response.request = request
    response._content = content
    return response
