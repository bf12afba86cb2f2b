# SPDX-License-Identifier: Apache-2.0
"""Alerts, dashboard and documentation know the metrics that there are, and no others."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess

import pytest
import yaml

from networker import exposition, metrics
from tests.prometheus import ROOT, RULES, program

TESTS = pathlib.Path(__file__).with_name("networker.rules.test.yml")
PAGE = (ROOT / "docs/operate.md").read_text()
PROMTOOL = program("promtool")
needs_promtool = pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed")


def samples() -> set[str]:
    """Return the names of all series that there can be."""
    found = set()
    for each in (*exposition.described(), *metrics.described()):
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        found |= {each.name + suffix for suffix in suffixes.get(each.type, [""])}
    return found


def expressions() -> dict[str, str]:
    """Return what the alerts ask Prometheus, by name."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def test_the_page_has_all_metrics():
    """Each metric is told of, and nothing that does not exist."""
    told = re.findall(r"^\| `(networker_\w+)`", PAGE, re.MULTILINE)
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in samples()}
    assert len(told) == len(set(told))
    assert set(told) == families


def test_alerts_ask_for_what_there_is():
    """Each alert is about metrics that exist, is tested, and has its place in the page."""
    assert expressions()
    for name, expression in expressions().items():
        asked = set(re.findall(r"networker_\w+", expression))
        assert asked, name
        assert asked <= samples(), name
    tested = {
        case["alertname"]
        for test in yaml.safe_load(TESTS.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert tested == set(expressions())
    assert re.findall(r"^\| `(Networker\w+)`", PAGE, re.MULTILINE) == list(
        expressions()
    )


def test_outcomes_of_alerts_exist():
    """What an alert selects by outcome is an error of the interface."""
    chosen = re.findall(r'outcome="(\w+)"', str(expressions()))
    assert chosen
    assert set(chosen) <= metrics.OUTCOMES


def test_panels_ask_for_what_there_is():
    """Each metric has a panel, and no panel another one."""
    dashboard = json.loads((ROOT / "etc/grafana/networker.json").read_text())
    asked = [
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"networker_\w+", target["expr"])
    ]
    assert set(asked) <= samples()
    assert len(asked) == len(exposition.described()) + len(metrics.described())


@needs_promtool
def test_alerts_are_raised():
    """Each alert is raised by what it is for, and not before."""
    done = subprocess.run(
        [str(PROMTOOL), "test", "rules", TESTS.name],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
