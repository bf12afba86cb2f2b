# SPDX-License-Identifier: Apache-2.0
"""The page of metrics: what the workers have counted, and what they tell of now."""

from __future__ import annotations

import collections
import os
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from networker.endpoint import Report

#: Stands for all processes that have ended; none has this number.
_ENDED = 0


class Exposition:
    """Makes the page.

    :param directory: where workers keep what they count
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory

    def page(
        self, told: Sequence[Report], ready: bool, accepted: str
    ) -> tuple[str, bytes]:
        """Return the page and its type; by one thread at a time.

        :param told: what workers tell of themselves
        :param ready: whether this host serves
        :param accepted: types of content, as HTTP's header Accept has them
        """
        merge_ended(self._directory)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._directory))
        registry.register(_Now(told, ready))
        encode, kind = exposition.choose_encoder(accepted)
        return kind, encode(registry)


class _Now(Collector):
    """What is at this moment."""

    def __init__(self, told: Sequence[Report], ready: bool) -> None:
        self._all = told
        self._told = [each for each in told if "hangs" not in each]
        self._ready = ready

    def collect(self) -> Iterator[Metric]:
        """Return all gauges."""
        now, running = time.time(), self._running()
        yield _gauge("ready", "Whether at least one worker serves.", int(self._ready))
        yield _gauge("workers", "Worker processes that answer.", len(self._told))
        yield _gauge(
            "workers_hanging",
            "Worker processes that do not tell what they do.",
            len(self._all) - len(self._told),
        )
        yield _gauge(
            "workers_subscribed",
            "Worker processes that get what is in the queues.",
            sum(not each["bus"] and not each["draining"] for each in self._told),
        )
        yield _gauge(
            "dead_letters",
            "Messages that were put aside, by the broker or a worker, and wait for somebody.",
            max((each.get("dead_letters") or 0 for each in self._told), default=0),
        )
        yield _gauge(
            "reload_refused",
            "Whether a newer configuration was refused, and the earlier one is served.",
            int(any(each.get("warning") for each in self._told)),
        )
        yield _gauge(
            "threads",
            "Calls that the worker processes can run at the same time.",
            sum(each["threads"] for each in self._told),
        )
        yield _gauge(
            "oldest_call_age_seconds",
            "Since when the call runs that has run for longest; 0 if none does.",
            max((now - each["since"] for each in running), default=0.0),
        )
        yield _by_method(running)
        yield from self._cloud(now)
        yield self._versions()

    def _running(self) -> list[dict[str, Any]]:
        return [call for each in self._told for call in each["running"]]

    def _cloud(self, now: float) -> Iterator[Metric]:
        ages = [each["cloud_answered_seconds_ago"] for each in self._told]
        known = [age for age in ages if age is not None]
        text = "When the cloud last answered a request."
        found = GaugeMetricFamily("networker_cloud_answered_timestamp_seconds", text)
        if known:
            found.add_metric([], now - min(known))
        yield found

    def _versions(self) -> Metric:
        names = ["version", "oslo_messaging", "interface"]
        text = "Versions that the worker processes run; always 1."
        found = GaugeMetricFamily("networker_build_info", text, labels=names)
        for values in {
            tuple(each["versions"][name] for name in names) for each in self._told
        }:
            found.add_metric(values, 1)
        return found


def _by_method(running: Sequence[dict[str, Any]]) -> Metric:
    text = "Calls and casts that run now, by method."
    found = GaugeMetricFamily("networker_calls_running", text, labels=["method"])
    for method, number in collections.Counter(
        each["method"] for each in running
    ).items():
        found.add_metric([method], number)
    return found


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"networker_{name}", about, value=value)


def described() -> list[Metric]:
    """Return what there is to know of a moment, without values."""
    return list(_Now([], ready=False).collect())


def merge_ended(directory: pathlib.Path) -> None:
    """Put together what processes that have ended have counted, so that it stays small."""
    for path in directory.glob("*_*.db"):
        kind, _, number = path.stem.partition("_")
        if int(number) == _ENDED or _runs(int(number)):
            continue
        merged = directory / f"{kind}_{_ENDED}.db"
        _merge(path, merged)
        path.unlink()


def _merge(path: pathlib.Path, merged: pathlib.Path) -> None:
    found = MmapedDict(str(merged))
    try:
        for key, value, stamp, _ in MmapedDict.read_all_values_from_file(str(path)):
            before, _ = found.read_value(key)
            found.write_value(key, before + value, stamp)
    finally:
        found.close()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
