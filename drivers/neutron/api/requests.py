# SPDX-License-Identifier: Apache-2.0
"""Send requests to Neutron and Nova, and repeat them as long as there is time.

Requests are repeated after 429, 502, 503, 504 and after connection errors, as long as
there is time. That is safe for everything that the driver sends: GET, PUT and DELETE are
idempotent; a port's MAC address and a security group's rules are unique, and Nova attaches
a port once, so that a POST that got through unnoticed is answered with 409 the next time,
for which callers look. Only a security group can be made twice: see `repeat`.
"""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
import functools
import math
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import keystoneauth1.exceptions
import openstack.exceptions
import requests
import tenacity
from keystoneauth1 import token_endpoint
from oslo_config import cfg
from oslo_context import context as oslo_context
from oslo_log import log

from networker.context import asking, is_id, stay_ours
from networker.drivers.neutron.api.errors import Later, Refused, Unsent, unless_gone
from networker.drivers.neutron.api.session import CloudRefused, Session
from networker.exceptions import CloudUnavailable
from networker.observer import ApiRequest

LOG = log.getLogger(__name__)
Result = TypeVar("Result")

#: Answers that ask to come back later: RFC 6585 section 4, RFC 9110 section 15.6.
_LATER = frozenset({429, 502, 503, 504})
#: Seconds to wait for a TCP connection, so that a lost packet does not cost all the time.
_CONNECT = 5.0


@dataclasses.dataclass(frozen=True)
class Api:
    """The API of one service.

    :param session: the session with the cloud
    :param service: which of the cloud's services
    :param conf: its group ``[neutron]`` says how long a request may take
    """

    session: Session
    service: Literal["network", "compute"]
    conf: cfg.ConfigOpts

    def get(
        self, path: str, *, token: str | None = None, **query: Any
    ) -> dict[str, Any]:
        """Return what is at `path`; a list in the query selects any of its values.

        :param token: a user's, to be asked with instead of the service's own
        """
        return self._request("GET", path, params=query, **self._as_user(token))

    def list(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Return all resources of a list, which Neutron may give in pages.

        An operator can limit what one answer has (``pagination_max_limit``).
        """
        key = path.strip("/").replace("-", "_")
        found: dict[str, dict[str, Any]] = {}
        while True:
            answer = self.get(path, **query)
            before = len(found)
            found |= {one["id"]: one for one in answer[key]}
            more = _next(answer.get(f"{key}_links", ()))
            if not more or len(found) == before:
                return [*found.values()]
            query |= more

    def _as_user(self, token: str | None) -> dict[str, Any]:
        if token is None:
            return {}
        endpoint = self._persist("the endpoint", self._endpoint)
        return {"auth": token_endpoint.Token(endpoint, token)}

    def _endpoint(self, _: float) -> str:
        service = getattr(self.session.connection(), self.service)
        return str(service.get_endpoint())

    def post(
        self, path: str, body: dict[str, Any], *, repeat: bool = True
    ) -> dict[str, Any]:
        """Create something.

        :param repeat: False where a request whose answer is lost must not be repeated
        """
        return self._request("POST", path, json=body, repeat=repeat)

    def put(
        self, path: str, body: dict[str, Any] | None, revision: int | None = None
    ) -> dict[str, Any]:
        """Change something.

        :param revision: only if this is its ``revision_number``, else refuse with 412
        """
        return self._request("PUT", path, json=body, headers=_if_match(revision))

    def delete(self, path: str, revision: int | None = None) -> bool:
        """Remove something, and tell whether it was there.

        :param revision: only if this is its ``revision_number``, else refuse with 412
        """
        headers = _if_match(revision)
        done = unless_gone(lambda: self._request("DELETE", path, headers=headers))
        return done is not None

    def project_id(self) -> str:
        """Return the id of the project that the service works in."""

        def ask(_: float) -> str:
            return self.session.connection().session.get_project_id() or ""

        return self._persist("the project's id", ask)

    def roles(self) -> Sequence[str] | None:
        """Return the roles that the service's user has; None where that is not told."""

        def ask(_: float) -> Sequence[str] | None:
            session = self.session.connection().session
            access = getattr(session.auth, "get_access", lambda _: None)(session)
            return getattr(access, "role_names", None)

        return self._persist("the user's roles", ask)

    def _request(
        self,
        method: str,
        path: str,
        *,
        repeat: bool = True,
        headers: Mapping[str, str] = MappingProxyType({}),
        **kwargs: Any,
    ) -> dict[str, Any]:
        if method != "GET":
            stay_ours()
        asked = asking(self.service, method, path)

        def send(left: float) -> dict[str, Any]:
            service = getattr(self.session.connection(), self.service)
            if asked.call:
                asked.begin()
            try:
                reply = service.request(
                    path,
                    method,
                    raise_exc=False,
                    connect_retries=0,
                    timeout=(min(_CONNECT, left), left),
                    global_request_id=asked.trace_id,
                    headers={**headers, **asked.headers},
                    **kwargs,
                )
                _note(asked, reply)
            finally:
                if asked.call:
                    asked.tried()
            return _read(reply)

        try:
            return self._persist(f"{method} {path}", send, repeat=repeat)
        finally:
            if asked.call:
                asked.end()

    def _persist(
        self, what: str, send: Callable[[float], Result], *, repeat: bool = True
    ) -> Result:
        """Send a request until it is answered, or the time is up.

        :param what: the request, for messages
        :param send: takes the seconds that are left
        """
        limit = TimeLimit(self._time_limit)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Later if repeat else Unsent),
            wait=pause,
            stop=limit,
            before_sleep=functools.partial(log_pause, what),
            reraise=True,
        )
        try:
            answer: Result = retrying(_once, send, limit)
        except Later as later:
            text = f"{what}: {later}"
            if limit.in_doubt:
                later = Later(str(later), later.code)
            raise CloudUnavailable(orig_msg=text, orig_code=later.code) from later
        return answer

    def _time_limit(self) -> float:
        return seconds_left(self.conf.neutron.request_timeout)


def _next(links: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return where the page after a list's begins; nothing if there is none.

    The address in the link is the service's own, which need not be the one that it is
    reached by.
    """
    href = next((one["href"] for one in links if one["rel"] == "next"), "")
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(href).query)
    return {name: query[name] for name in ("marker", "limit") if name in query}


def _if_match(revision: int | None) -> dict[str, str]:
    if revision is None:
        return {}
    return {"If-Match": f"revision_number={revision}"}


#: Errors after which it is not known whether the request got through.
_LOST = (
    keystoneauth1.exceptions.RetriableConnectionFailure,
    keystoneauth1.exceptions.UnknownConnectionError,
)
#: Errors that another try does not change: credentials, catalog, TLS.
_OTHERS = (
    keystoneauth1.exceptions.ClientException,
    openstack.exceptions.SDKException,
    requests.RequestException,
    CloudRefused,
)


def _once(send: Callable[[float], Result], limit: TimeLimit) -> Result:
    left = limit.left()
    if left <= 0:
        raise Unsent("the time is up", None)
    try:
        return send(left)
    except openstack.exceptions.ServiceDiscoveryException as error:
        raise Unsent(str(error), None) from error
    except _LOST as error:
        raise Later(str(error), None) from error
    except keystoneauth1.exceptions.HttpError as error:
        raise _http_error(error) from error
    except _OTHERS as error:
        raise Refused(orig_msg=str(error)) from error


def _http_error(error: keystoneauth1.exceptions.HttpError) -> Exception:
    """Translate an error of Keystone's, which is asked for a token on the way."""
    if error.http_status in _LATER:
        after = str(getattr(error, "retry_after", None) or "")
        return Unsent(str(error), error.http_status, after)
    return Refused(orig_msg=error.message, orig_code=error.http_status)


def _read(reply: requests.Response) -> dict[str, Any]:
    if reply.status_code in _LATER:
        kind = Unsent if reply.status_code in (429, 503) else Later
        text = f"HTTP {reply.status_code}: {_explain(reply)[1]}"
        raise kind(text, reply.status_code, reply.headers.get("Retry-After"))
    if reply.status_code >= 400:
        name, text = _explain(reply)
        raise Refused(orig_msg=text, orig_code=reply.status_code, kind=name)
    if not reply.content or reply.content == b"null":
        return {}
    try:
        body: dict[str, Any] = reply.json()
    except requests.JSONDecodeError as error:
        raise Refused(
            orig_msg=f"the answer is not JSON: {error}", orig_code=reply.status_code
        ) from error
    return body


def _note(asked: ApiRequest, reply: requests.Response) -> None:
    """Tell how a request was answered, by whom, and under which id that one has logged it.

    Neither the query nor the address with its names, which are a user's.
    """
    asked.status, span = reply.status_code, asked.span
    if span is None:
        return
    url = urllib.parse.urlsplit(reply.url)
    if url.hostname:
        span.attributes["server.address"] = url.hostname
    if url.port:
        span.attributes["server.port"] = url.port
    logged = reply.headers.get("x-openstack-request-id")
    if logged and is_id(logged):
        span.attributes["openstack.request_id"] = logged


def _explain(reply: requests.Response) -> tuple[str | None, str]:
    """Return name and text of an error as Neutron, Nova and Keystone write them."""
    try:
        body = reply.json()
    except requests.JSONDecodeError:
        body = None
    if isinstance(body, dict) and body:
        kind, fault = next(iter(body.items()))
        if isinstance(fault, dict) and "message" in fault:
            return fault.get("type", kind), str(fault["message"])
        if isinstance(fault, str):
            return kind, fault
    return None, " ".join(reply.text.split()) or str(reply.reason)


#: Seconds before a deadline in which no request is worth beginning.
_MOMENT = 0.1


def seconds_left(most: float) -> float:
    """Return for how long to try: `most`, but not past the caller's deadline."""
    deadline = getattr(oslo_context.get_current(), "deadline", None)
    return most if deadline is None else min(most, deadline - time.time())


def time_is_up() -> bool:
    """Tell whether the caller's deadline has passed, or will in the next moment."""
    return seconds_left(math.inf) < _MOMENT


class TimeLimit(tenacity.stop.stop_base):
    """The time for all tries of a request.

    It runs from the first try on, which a process that was stopped before still makes.

    :param seconds: tells how long that is, when the first try begins
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._end: float | None = None
        #: Whether a try before the last one may have got through.
        self.in_doubt = False

    def left(self) -> float:
        """Return the seconds that are left for a try that begins now."""
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._seconds()
        return self._end - now

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        """Tell whether to stop: the next try would begin too late."""
        stop = self.left() <= retry_state.upcoming_sleep
        failed = retry_state.outcome and retry_state.outcome.exception()
        self.in_doubt = self.in_doubt or not (stop or isinstance(failed, Unsent))
        return stop


_backoff = tenacity.wait_random_exponential(multiplier=0.2, max=8)


def pause(state: tenacity.RetryCallState) -> float:
    """Return the seconds to the next try: what the answer asks for, or ever more."""
    error = state.outcome.exception() if state.outcome else None
    asked = _seconds(error.after) if isinstance(error, Later) else None
    return _backoff(state) if asked is None else asked


def _seconds(after: str | None) -> float | None:
    """Read a Retry-After: seconds, or a date (RFC 9110 section 10.2.3)."""
    if not after:
        return None
    if after.strip().isdigit():
        return float(after)
    try:
        date = email.utils.parsedate_to_datetime(after)
    except ValueError:
        return None
    now = datetime.datetime.now(date.tzinfo)
    return max(0.0, (date - now).total_seconds())


def log_pause(what: str, state: tenacity.RetryCallState) -> None:
    """Say why a request is made again."""
    error = state.outcome.exception() if state.outcome else None
    LOG.warning("%s: %s; again in %.1f s", what, error, state.upcoming_sleep)
