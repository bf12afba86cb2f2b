# SPDX-License-Identifier: Apache-2.0
"""Write etc/grafana/networker.json from what is counted; ``make docs`` runs it."""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split
import json
import pathlib
import sys
from typing import Any

from prometheus_client.metrics_core import Metric

from networker import exposition, metrics

_INSTANCE = 'instance=~"$instance"'
_WIDTH, _HEIGHT, _COLUMNS = 8, 7, 3
#: By which labels a panel tells its lines apart; all others are summed up.
_BY = {
    "networker_api_request_duration_seconds": ["service"],
    "networker_api_request_retries": ["service", "method"],
    "networker_api_requests": ["service", "method", "status"],
    "networker_build_info": ["version", "instance"],
    "networker_call_duration_seconds": ["method"],
    "networker_calls": ["method", "outcome"],
    "networker_calls_running": ["method"],
    "networker_flow_tasks": ["outcome"],
    "networker_ready": ["instance"],
    "networker_reload_refused": ["instance"],
    "networker_subscriptions_lost": ["cause"],
    "networker_workers_hanging": ["instance"],
}
#: Of these the sum over instances means nothing.
_LARGEST = {
    "networker_cloud_answered_timestamp_seconds",
    "networker_dead_letters",
    "networker_oldest_call_age_seconds",
}


def everything() -> dict[str, Metric]:
    """Return all metrics by name, those of now first."""
    return {each.name: each for each in (*exposition.described(), *metrics.described())}


def query(metric: Metric) -> tuple[str, str]:
    """Return what is asked of Prometheus for a metric, and the unit of the answer."""
    name, labels = metric.name, _BY.get(metric.name, [])
    by = f" by ({', '.join(labels)})" if labels else ""
    if metric.type == "counter":
        return f"sum{by} (rate({name}_total{{{_INSTANCE}}}[$__rate_interval]))", "ops"
    if metric.type == "histogram":
        by = f" by ({', '.join(['le', *labels])})"
        rate = f"rate({name}_bucket{{{_INSTANCE}}}[$__rate_interval])"
        return f"histogram_quantile(0.95, sum{by} ({rate}))", "s"
    if name.endswith("_timestamp_seconds"):
        return f"time() - max({name}{{{_INSTANCE}}})", "s"
    how = "max" if name in _LARGEST else "sum"
    unit = "s" if name.endswith("_seconds") else "short"
    return f"{how}{by} ({name}{{{_INSTANCE}}})", unit


def panel(number: int, metric: Metric) -> dict[str, Any]:
    """Return the panel of a metric."""
    expression, unit = query(metric)
    legend = " ".join(f"{{{{{label}}}}}" for label in _BY.get(metric.name, []))
    title = metric.name.removeprefix("networker_").replace("_", " ")
    if metric.type == "histogram":
        title += ", of 95 %"
    row, column = divmod(number, _COLUMNS)
    where = {"h": _HEIGHT, "w": _WIDTH, "x": column * _WIDTH, "y": row * _HEIGHT}
    source = {"type": "prometheus", "uid": "${datasource}"}
    target = {
        "datasource": source,
        "expr": expression,
        "legendFormat": legend or "__auto",
        "refId": "A",
    }
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "description": metric.documentation,
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "gridPos": where,
        "targets": [target],
    }


def variables() -> list[dict[str, Any]]:
    """Return what can be chosen above the panels."""
    source = {"type": "prometheus", "uid": "${datasource}"}
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        {
            "name": "instance",
            "type": "query",
            "datasource": source,
            "query": "label_values(networker_workers, instance)",
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
            "refresh": 2,
        },
    ]


def dashboard() -> dict[str, Any]:
    """Return the whole dashboard."""
    return {
        "title": "networker",
        "uid": "networker",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": variables()},
        "panels": [panel(n, each) for n, each in enumerate(everything().values())],
    }


if __name__ == "__main__":
    default = pathlib.Path(__file__).parents[1] / "etc" / "grafana" / "networker.json"
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    target.write_text(json.dumps(dashboard(), indent=2) + "\n")
