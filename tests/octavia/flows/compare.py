# SPDX-License-Identifier: Apache-2.0
"""Two runs side by side: where the cloud ended up differently, and why that may be."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.octavia.flows.report import Report, Result

_ABSENT, _THERE = "absent", "there"
_LEFT = "left over"
_KEPT = (
    "Octavia's driver forgets the VIP's QoS policy when it returns the VIP, so that the "
    "ports of amphorae that replace others get none; networker returns it."
)
_DELETED = (
    "Octavia's driver is asked for the ports of deleted amphorae too, and fails; networker "
    "leaves out what is gone."
)
_FORGOTTEN = (
    "Octavia leaves the ports of a pool's members when it deletes the pool and then the load "
    "balancer; networker deletes them with the VIP."
)
#: Differences that are meant, between Octavia's own driver and networker, in this order:
#: a pattern of the item and both values, ``...`` for any, and why.
EXPLAINED: dict[tuple[str, Any, Any], str] = {
    ("*: fail over / * / qos", None, "vip-qos"): _KEPT,
    ("single: delete its listeners * / * / qos", None, "vip-qos"): _KEPT,
    ("pair: rename / * / qos", None, "vip-qos"): _KEPT,
    ("pair: rename / status", "ERROR", "ACTIVE"): _DELETED,
    ("single: delete / * / octavia-lb-member-*", ..., _ABSENT): _FORGOTTEN,
    ("left over / * / octavia-lb-member-*", ..., _ABSENT): _FORGOTTEN,
}


@dataclasses.dataclass(frozen=True)
class Difference:
    """Something that is not the same in both runs.

    :param flow: after which it is so
    :param item: where it is, as keys joined by slashes
    """

    flow: str
    item: str
    first: Any
    second: Any

    @property
    def reason(self) -> str:
        """Why it is so; empty if nobody knows."""
        whole = f"{self.flow} / {self.item}"
        for (pattern, *values), why in EXPLAINED.items():
            pairs = zip(values, (self.first, self.second), strict=True)
            same = all(wanted in (..., value) for wanted, value in pairs)
            if same and fnmatch.fnmatchcase(whole, pattern):
                return why
        return ""


def differences(first: Report, second: Report) -> list[Difference]:
    """Return what differs: how flows ended, what there was then, and what was left."""
    ends = {
        **{name: map(_end, both) for name, both in _pairs(first, second).items()},
        _LEFT: (first.leftovers, second.leftovers),
    }
    return [
        Difference(flow, " / ".join(path), *values)
        for flow, (one, other) in ends.items()
        for path, *values in _within((), one, other)
    ]


def show(console: Console, first: Report, second: Report) -> bool:
    """Print both runs and their differences.

    :returns: whether all differences are explained
    """
    found = differences(first, second)
    console.print(_table(first, second, found))
    alike: dict[tuple[str, ...], list[str]] = {}
    for d in found:
        key = (d.item, str(d.first), str(d.second), d.reason)
        alike.setdefault(key, []).append(d.flow)
    for (item, one, other, reason), flows in alike.items():
        console.print(f"[bold]{item}[/]: {one} and {other}", soft_wrap=True)
        console.print(f"  {reason or '[red]not explained[/]'}", soft_wrap=True)
        more = f" and {len(flows) - 1} more" if len(flows) > 1 else ""
        console.print(f"  after {flows[0]}{more}", soft_wrap=True)
    console.print(f"{len(alike)} differences" if alike else "no difference")
    return all(d.reason for d in found)


def _table(first: Report, second: Report, found: list[Difference]) -> Table:
    table = Table(title=f"{first.driver} and {second.driver}")
    for column in ("flow", "seconds", "seconds", "ended", "ended", "cloud"):
        table.add_column(column)
    for name, (one, other) in _pairs(first, second).items():
        both = (one, other)
        seconds = (f"{r.seconds:.1f}" if r else _ABSENT for r in both)
        ended = (r.status if r else _ABSENT for r in both)
        table.add_row(name, *seconds, *ended, _verdict(name, found))
    left = (str(len(r.left())) for r in (first, second))
    total = (f"{sum(x.seconds for x in r.results):.0f}" for r in (first, second))
    table.add_row(_LEFT, *total, *left, _verdict(_LEFT, found))
    return table


def _verdict(flow: str, found: list[Difference]) -> str:
    here = [d for d in found if d.flow == flow]
    if not here:
        return "[green]same"
    if all(d.reason for d in here):
        return "different, explained"
    return "[red]different"


def _pairs(
    first: Report, second: Report
) -> dict[str, tuple[Result | None, Result | None]]:
    ones, others = ({r.name: r for r in report.results} for report in (first, second))
    return {name: (ones.get(name), others.get(name)) for name in {**ones, **others}}


def _end(result: Result | None) -> dict[str, Any]:
    return {"status": result.status, **result.snapshot} if result else {}


def _within(
    path: tuple[str, ...], one: Any, other: Any
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            absent = (one.get(key, _ABSENT), other.get(key, _ABSENT))
            yield from _within((*path, key), *absent)
    elif isinstance(one, list) and isinstance(other, list):
        yield from _listed(path, one, other)
    elif one != other:
        yield path, one, other


def _listed(
    path: tuple[str, ...], one: list[Any], other: list[Any]
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if len(one) == len(other) and not all(isinstance(item, str) for item in one):
        for item, same in zip(one, other, strict=True):
            yield from _within(path, item, same)
        return
    for item in one:
        if one.count(item) > other.count(item):
            yield (*path, str(item)), _THERE, _ABSENT
    for item in other:
        if other.count(item) > one.count(item):
            yield (*path, str(item)), _ABSENT, _THERE
