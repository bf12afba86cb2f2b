# SPDX-License-Identifier: Apache-2.0
"""Find out what RabbitMQ's policies do to the queues, and which promise they break.

A policy is an operator's and can come from anywhere on a shared virtual host; a message
that its time to live or its limit removes is gone without a word. RabbitMQ's management
interface tells which policies there are, where ``[networker] management_url`` names it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib import parse

from oslo_config import cfg

from networker import exceptions
from networker.rpc.rabbitmq.messaging_driver import driver_of
from networker.rpc.rabbitmq.queues import calls_name, dead_name, outcomes_name

LOG = logging.getLogger(__name__)

#: Seconds that each answer of the management interface may take.
_TIMEOUT = 5.0
_PORT = 15672
_OPTION = "[networker] management_url"
#: Names such as callers' queues have, each its own.
REPLIES = "reply_" + 32 * "0"
#: Of the kinds of queues, what a policy calls them that applies to some only.
_TYPES = {"classic": "classic_queues", "quorum": "quorum_queues"}

Definition = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Policy:
    """A policy that a user or an operator has set.

    :param kind: ``policy`` or ``operator policy``
    :param pattern: of the names of queues
    :param applies_to: which kinds of things
    """

    kind: str
    name: str
    pattern: str
    applies_to: str
    priority: int
    definition: Definition

    def applies(self, queue: str, queue_type: str | None) -> bool:
        """Tell whether it is for a queue.

        :param queue_type: ``classic`` or ``quorum``; None if it is not known
        """
        types = [queue_type] if queue_type else list(_TYPES)
        wanted = {"all", "queues", *(_TYPES.get(one, "") for one in types)}
        with contextlib.suppress(re.error):
            found = re.search(self.pattern, queue)
            return found is not None and self.applies_to in wanted
        return False


@dataclasses.dataclass(frozen=True)
class Setting:
    """What holds for a queue, and which policy says so."""

    value: Any
    policy: str


@dataclasses.dataclass(frozen=True)
class Expectations:
    """What the judgement depends on.

    :param call_timeout: seconds that a caller waits for an answer
    :param pool_timeout: seconds that it waits for any worker
    :param limit: deliveries of a request after the first that are wanted
    :param told: whether outcomes of casts are told
    """

    topic: str
    call_timeout: float
    pool_timeout: float
    limit: int
    outcomes: str | None = None

    @property
    def queues(self) -> list[str]:
        """The names of all queues that matter."""
        own = [self.topic, calls_name(self.topic), dead_name(self.topic)]
        return [*own, *filter(None, [self.outcomes]), REPLIES]


def effective(
    policies: Sequence[Policy], queue: str, queue_type: str | None = None
) -> dict[str, Setting]:
    """Return what holds for a queue by RabbitMQ's rules.

    Of the policies that match, that with the highest priority counts, and of operators'
    policies the same; where both say something, the lower number does.
    """
    settings: dict[str, Setting] = {}
    for kind in ("policy", "operator policy"):
        fits = [p for p in policies if p.kind == kind and p.applies(queue, queue_type)]
        if not fits:
            continue
        best = max(fits, key=lambda policy: policy.priority)
        for key, value in best.definition.items():
            before = settings.get(key)
            if before is None or not _is_lower(before.value, value):
                settings[key] = Setting(value, f"{kind} {best.name!r}")
    return settings


def _is_lower(one: Any, other: Any) -> bool:
    both = isinstance(one, (int, float)) and isinstance(other, (int, float))
    return bool(both and one < other)


def judge(
    expected: Expectations, queue: str, settings: Mapping[str, Setting]
) -> list[str]:
    """Return which promises are broken on a queue, a line for each; none if all hold."""
    shown = "reply_*" if queue == REPLIES else queue
    overflow = settings.get("overflow", Setting("drop-head", "")).value
    lines = []
    for key, setting in sorted(settings.items()):
        if not isinstance(setting.value, (int, float)):
            continue
        harm = _harm(
            expected, queue, key, setting.value, refuses=overflow != "drop-head"
        )
        if harm:
            text = f"{setting.policy} sets {key} = {setting.value} on {shown}: {harm}"
            lines.append(text)
    return lines


def _harm(
    expected: Expectations, queue: str, key: str, value: float, *, refuses: bool
) -> str | None:
    """Return what a setting does to a queue that it must not do, or None."""
    seconds = f"{value / 1000:g} s"
    if key in {"max-length", "max-length-bytes"}:
        return _harm_of_limit(expected, queue, refuses=refuses)
    if key == "message-ttl":
        return _harm_of_ttl(expected, queue, value / 1000, seconds)
    if key == "expires":
        return _harm_of_expiry(expected, queue, value / 1000, seconds)
    if key == "delivery-limit" and queue == expected.topic and value < expected.limit:
        return (
            f"a request is put aside after {value:g} deliveries instead of {expected.limit}, "
            "though its workers may have ended for another reason"
        )
    return None


def _harm_of_ttl(
    expected: Expectations, queue: str, ttl: float, seconds: str
) -> str | None:
    if queue == expected.topic:
        aside = dead_name(expected.topic)
        return f"what waits longer than {seconds} is put aside in {aside} and not run"
    if queue == dead_name(expected.topic):
        return f"what was put aside is lost after {seconds}"
    if queue == expected.outcomes:
        return f"outcomes that nobody takes for {seconds} are lost"
    if ttl >= expected.call_timeout:
        return None
    what = "answers" if queue == REPLIES else "calls"
    return f"{what} that wait longer than {seconds} are lost before call_timeout"


def _harm_of_expiry(
    expected: Expectations, queue: str, after: float, seconds: str
) -> str | None:
    if queue == expected.topic:
        return f"all requests are lost when no worker listens for {seconds}"
    if queue == dead_name(expected.topic):
        return f"all that was put aside is lost when nobody looks for {seconds}"
    if queue == expected.outcomes:
        return f"all outcomes are lost when nobody takes them for {seconds}"
    if queue == calls_name(expected.topic) and after < expected.pool_timeout:
        return (
            f"calls are lost when no worker listens for {seconds}, before pool_timeout"
        )
    return None


def _harm_of_limit(expected: Expectations, queue: str, *, refuses: bool) -> str:
    if queue == expected.topic:
        return "requests beyond it are refused"  # by the queue's own x-overflow
    if queue == dead_name(expected.topic):
        return "what was put aside is lost beyond it, the oldest first"
    if queue == expected.outcomes:
        end = "refused" if refuses else "lost, the oldest first"
        return f"outcomes beyond it are {end}"
    what = "answers" if queue == REPLIES else "calls"
    return f"{what} beyond it are lost, and who waits for them is not told"


def complaints(conf: cfg.ConfigOpts, transport: Any) -> list[str]:
    """Return which promises the broker's policies break, a line for each.

    :param conf: a configuration on which :func:`networker.conf.register` was called
    :param transport: oslo.messaging's, for the configuration's URL
    :returns: nothing where no management_url is given, or nothing is promised
    :raises BusUnavailable: the management interface cannot be asked, or refuses; see
        `refused`
    """
    driver = driver_of(transport)
    if not driver or not conf.networker.management_url:
        return []
    bus, deliveries = driver._url, "rabbit_quorum_delivery_limit"
    configured = bus.query.get(deliveries) or conf.oslo_messaging_rabbit[deliveries]
    expected = Expectations(
        topic=conf.networker.topic,
        call_timeout=conf.networker.call_timeout,
        pool_timeout=conf.networker.pool_timeout,
        limit=int(configured),
        outcomes=outcomes_name(conf.networker.topic) if conf.networker.notify else None,
    )
    management = _Management(conf.networker.management_url, bus.virtual_host or "/")
    with management.asked():
        policies = management.policies()
        return [
            line
            for queue in expected.queues
            for line in judge(expected, queue, management.settings(policies, queue))
        ]


def warn(conf: cfg.ConfigOpts, transport: Any) -> None:
    """Log the complaints; whatever the management interface does, only that."""
    try:
        lines = complaints(conf, transport)
    except exceptions.BusUnavailable as error:
        lines = [str(error)]
    for line in lines:
        LOG.warning("%s", line)


class _Management:
    """RabbitMQ's management interface.

    :param address: its URL, with user and password
    :param virtual_host: of the queues
    """

    def __init__(self, address: str, virtual_host: str) -> None:
        import requests  # not for every controller that imports the bus

        self._requests = requests
        found = parse.urlsplit(address)
        host, form = found.hostname, "http://USER:PASSWORD@HOST:PORT"
        if found.scheme not in {"http", "https"} or not (host and found.username):
            text = f"{_OPTION}: it is not of the form {form}"
            raise exceptions.BusUnavailable(text, refused=True)
        self._place = f"{found.scheme}://{host}:{found.port or _PORT}"
        self._base = f"{self._place}{found.path.rstrip('/')}/api"
        self._vhost = parse.quote(virtual_host, safe="")
        self._session = requests.Session()
        login = found.username or "", found.password or ""
        self._session.auth = parse.unquote(login[0]), parse.unquote(login[1])

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """Translate what goes wrong in the block."""
        try:
            with self._session:
                yield
        except self._requests.RequestException as error:
            text = f"{_OPTION}: {self._place} cannot be asked: {error}"
            raise exceptions.BusUnavailable(text) from error

    def policies(self) -> list[Policy]:
        """Return all policies of the virtual host."""
        found: list[Policy] = []
        for kind in ("policy", "operator policy"):
            path = "policies" if kind == "policy" else "operator-policies"
            listed = self._get(f"{path}/{self._vhost}")
            found += [_policy(kind, one) for one in listed]
        return found

    def settings(self, policies: Sequence[Policy], queue: str) -> dict[str, Setting]:
        """Return what holds for a queue, as RabbitMQ itself says where there is one."""
        if queue == REPLIES:
            return effective(policies, queue)
        path = f"queues/{self._vhost}/{parse.quote(queue, safe='')}"
        there = self._get(path, missing={})
        settings = effective(policies, queue, there.get("type"))
        # RabbitMQ's own word is some seconds old, but its patterns are not quite Python's.
        for key, value in (there.get("effective_policy_definition") or {}).items():
            name = there.get("policy") or there.get("operator_policy")
            settings.setdefault(key, Setting(value, f"policy {name!r}"))
        return settings

    def _get(self, path: str, missing: Any = None) -> Any:
        answer = self._session.get(f"{self._base}/{path}", timeout=_TIMEOUT)
        if answer.status_code == 404 and missing is not None:
            return missing
        if answer.status_code in {401, 403, 404}:
            why = {
                401: "user or password are wrong, or the user has not the tag management",
                403: "the user may not see the virtual host",
                404: "there is no such virtual host, or it is no management interface",
            }[answer.status_code]
            text = f"{_OPTION}: {self._place} refused: {why}"
            raise exceptions.BusUnavailable(text, refused=True)
        answer.raise_for_status()
        return answer.json()


def _policy(kind: str, found: Mapping[str, Any]) -> Policy:
    return Policy(
        kind=kind,
        name=str(found.get("name")),
        pattern=str(found.get("pattern")),
        applies_to=str(found.get("apply-to")),
        priority=int(found.get("priority") or 0),
        definition=found.get("definition") or {},
    )
