# SPDX-License-Identifier: Apache-2.0
"""Choose who is told of spans; OpenTelemetry is loaded where it is, and nowhere else."""

from __future__ import annotations

import importlib
from typing import Any

from oslo_config import cfg

from networker.spans import Exporter


def of_caller(conf: cfg.ConfigOpts) -> Exporter | None:
    """Return what is told of a caller's spans: what its application has set up.

    :returns: None where nobody is told
    :raises ValueError: the packages for it are not installed
    """
    if not conf.networker.traces:
        return None
    exporter: Exporter = _loaded("networker.otel").OpenTelemetry()
    return exporter


def of_worker(conf: cfg.ConfigOpts) -> Any:
    """Return what is told of a worker's spans; call it after the fork, and close it.

    :returns: a :class:`networker.otel_worker.WorkersTelemetry`, or None
    :raises ValueError: the packages for it are not installed, or an environment variable
        names what is not there
    """
    if not conf.networker.traces:
        return None
    return _loaded("networker.otel_worker").WorkersTelemetry()


def check_worker(conf: cfg.ConfigOpts) -> None:
    """Find out whether a worker's spans could be sent.

    :raises ValueError: as of :func:`of_worker`
    """
    if conf.networker.traces:
        _loaded("networker.otel_worker").check()


def _loaded(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"[networker] traces: {error}; install networker[traces], or do not set it"
        ) from error
