# SPDX-License-Identifier: Apache-2.0
"""What is counted in worker processes, for Prometheus.

The values are in files that the processes write through memory (prometheus_client's
multiprocess mode), so that they outlive a process that is killed; the master reads them.
Every label has few values: methods, errors and services of the interface, HTTP's methods
and statuses, and words that are listed here. No text of a caller or a cloud is in any.
"""

from __future__ import annotations

import http
import os
import pathlib
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.metrics_core import Metric

from networker import exceptions
from networker.notes import OUTCOMES as OUTCOMES
from networker.notes import Notes, Part, outcome
from networker.observer import ApiRequest, Call, Event
from networker.rpc import contract

#: Seconds; a look-up takes some hundredths, detaching from a server can take minutes.
_CALL_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_WAIT_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300)
_REQUEST_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

OTHER, NO_ANSWER = "other", "none"
METHODS = frozenset(contract.methods())
SERVICES = frozenset({"network", "compute"})
HTTP_METHODS = frozenset({"GET", "POST", "PUT", "DELETE"})
STATUSES = frozenset(str(int(status)) for status in http.HTTPStatus)
TASK_STATES = frozenset({"success", "failure", "reverted", "revert_failure"})
CAUSES = frozenset({"refused", "closed", "gone"})
_EVENTS: Mapping[Event, tuple[str, str]] = {
    "flow": ("flows", "Operations of several tasks that were begun."),
    "late": (
        "deadline_refusals",
        "Requests that came after their deadline, and were not started.",
    ),
    "lease_lost": (
        "leases_lost",
        "Times a worker found that the broker had given its request to another one.",
    ),
    "put_aside": (
        "messages_put_aside",
        "Messages that workers could not serve, and made dead letters.",
    ),
    "redelivered": (
        "redeliveries",
        "Requests that came to a worker and had been delivered before.",
    ),
    "undo_failed": ("undo_failures", "Steps that could not be taken back."),
    "undone": ("undone_steps", "Steps that were taken back after a failure."),
    "wave": ("flow_waves", "Waves of the flows: tasks that run at the same time."),
}


def bounded(value: str, known: frozenset[str]) -> str:
    """Return a label's value, or a word for all that are not known."""
    return value if value in known else OTHER


class Metrics:
    """All that is counted in worker processes.

    :param registry: knows them; a new one where nobody shall see them
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"networker_{name}", about, labels, registry=registry)

        def seconds(
            name: str, about: str, buckets: tuple[float, ...], *labels: str
        ) -> Histogram:
            name = f"networker_{name}_seconds"
            return Histogram(name, about, labels, buckets=buckets, registry=registry)

        text = "Calls and casts that workers ran, by method and outcome."
        self.calls = counter("calls", text, "method", "outcome")
        text = "Time that calls and casts ran in a worker."
        self.duration = seconds("call_duration", text, _CALL_BUCKETS, "method")
        text = "Time from the sending of a call or cast until a worker began with it."
        self.waited = seconds("call_wait", text, _WAIT_BUCKETS)
        text = "Requests to the cloud's services; status none is no answer."
        labels = ("service", "method", "status")
        self.requests = counter("api_requests", text, *labels)
        text = "Requests to the cloud's services that were made again."
        self.retries = counter("api_request_retries", text, "service", "method")
        text = "Time that requests to the cloud's services took."
        self.request_duration = seconds(
            "api_request_duration", text, _REQUEST_BUCKETS, "service"
        )
        text = "Tasks of flows, by how they ended."
        self.tasks = counter("flow_tasks", text, "outcome")
        text = (
            "Times a worker lost its subscriptions: the broker refused, the broker closed "
            "them, or the connection was gone."
        )
        self.lost = counter("subscriptions_lost", text, "cause")
        self.events = {
            event: counter(name, about) for event, (name, about) in _EVENTS.items()
        }


def described() -> list[Metric]:
    """Return what there is to count, without values."""
    registry = CollectorRegistry()
    Metrics(registry)
    return list(registry.collect())


class Recorder(Notes):
    """Counts what happens, besides noting it.

    :param directory: for the files; shared by all worker processes of a master
    :param part: see :class:`networker.notes.Notes`
    """

    def __init__(self, directory: pathlib.Path, part: Part | None = None) -> None:
        super().__init__(part)
        # prometheus_client looks at it when a value is made, and chose how it keeps
        # values when it was imported, which openstacksdk may have done before.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
        # Asked for at every value, it would be half of what counting costs.
        pid = os.getpid()
        values.ValueClass = values.MultiProcessValue(lambda: pid)
        self._metrics = Metrics(CollectorRegistry())
        # Prometheus sees no increase in what begins with 1.
        for method in METHODS:
            self._metrics.calls.labels(method, exceptions.WorkerError.__name__)
        #: By method and how it ended, since to look them up is what takes longest.
        self._known: dict[tuple[str, object], tuple[Counter, Histogram]] = {}
        self._asked: dict[tuple[str, str, int | None], tuple[Counter, Histogram]] = {}

    def begun(self, call: Call) -> None:
        """Note that a call runs."""
        super().begun(call)
        if call.waited is not None:
            self._metrics.waited.observe(max(0.0, call.waited))

    def ended(
        self,
        call: Call,
        error: type[exceptions.NetworkException] | None,
        seconds: float,
    ) -> None:
        """Note that a call has ended."""
        super().ended(call, error, seconds)
        known = self._known.get((call.method, error))
        if known is None:
            method = bounded(call.method, METHODS)
            calls = self._metrics.calls.labels(method, outcome(error))
            known = calls, self._metrics.duration.labels(method)
            self._known[call.method, error] = known
        known[0].inc()
        known[1].observe(seconds)

    def asked(self, request: ApiRequest) -> None:
        """Count a request, and note that the cloud answers."""
        super().asked(request)
        status = request.status
        service = bounded(request.service, SERVICES)
        method = bounded(request.method, HTTP_METHODS)
        known = self._asked.get((service, method, status))
        if known is None:
            said = NO_ANSWER if status is None else bounded(str(status), STATUSES)
            requests = self._metrics.requests.labels(service, method, said)
            known = requests, self._metrics.request_duration.labels(service)
            self._asked[service, method, status] = known
        known[0].inc()
        known[1].observe(request.seconds)
        if request.tries > 1:
            self._metrics.retries.labels(service, method).inc()

    def count(self, event: Event, times: int = 1) -> None:
        """Count something."""
        self._metrics.events[event].inc(times)

    def task(self, state: str) -> None:
        """Count a task of a flow."""
        self._metrics.tasks.labels(bounded(state.lower(), TASK_STATES)).inc()

    def lost(self, cause: str) -> None:
        """Count a loss of the subscriptions."""
        self._metrics.lost.labels(bounded(cause, CAUSES)).inc()
