# SPDX-License-Identifier: Apache-2.0
"""What is printed after the tests: what was tested, and what was lacking."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from networker.testing.contract.gate import CALLED
from networker.testing.contract.world import NOT_OFFERED, NOT_SUPPORTED, World


def lines(kind: type[World], stats: Mapping[str, Iterable[Any]]) -> Iterator[str]:
    """Describe a run.

    :param kind: the world that was tested
    :param stats: reports of tests by outcome, as pytest's terminal reporter keeps them
    """
    passed, failed = _called(stats.get("passed", ())), _called(stats.get("failed", ()))
    yield f"{'method':<32}{'passed':>8}{'failed':>8}"
    for name in sorted(kind.supports):
        yield f"{name:<32}{passed[name]:>8}{failed[name]:>8}"
    for title, prefix in (
        ("not supported", NOT_SUPPORTED),
        ("not offered by the world", NOT_OFFERED),
    ):
        lacking = _lacking(stats.get("skipped", ()), prefix)
        if lacking:
            yield ""
            yield f"{title:<32}{'skipped':>8}"
            for name, tests in sorted(lacking.items()):
                yield f"{name:<32}{tests:>8}"


def _called(reports: Iterable[Any]) -> collections.Counter[str]:
    """Count the tests that called each method."""
    return collections.Counter(
        str(name)
        for report in reports
        if report.when == "call"
        for key, name in report.user_properties
        if key == CALLED
    )


def _lacking(reports: Iterable[Any], prefix: str) -> collections.Counter[str]:
    """Count the tests that were skipped for want of something: once each."""
    reasons: dict[str, str] = {}
    for report in reports:
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
        if reason.startswith(prefix):
            reasons.setdefault(report.nodeid, reason.removeprefix(prefix))
    return collections.Counter(reasons.values())
