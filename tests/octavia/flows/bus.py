# SPDX-License-Identifier: Apache-2.0
"""What networker needs to be Octavia's network driver: a broker, workers, and options."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

from networker.testing import processes, rabbitmq

#: What callers and workers have to agree on.
_MEETING = {"topic": "octavia-flows", "exchange": "octavia-flows"}


@contextlib.contextmanager
def served(directory: pathlib.Path, cloud: str) -> Iterator[pathlib.Path]:
    """Run a RabbitMQ node and workers that drive a cloud.

    :param directory: where configurations and the workers' log are put
    :param cloud: its name in clouds.yaml
    :returns: the configuration that Octavia is given besides its own
    """
    with rabbitmq.Node() as node:
        worker = processes.write(
            directory / "networker-worker.conf",
            {
                "DEFAULT": {"transport_url": node.url},
                "networker": {"driver": "neutron", "workers": 1, **_MEETING},
                "neutron": {"cloud": cloud},
            },
        )
        caller = processes.write(
            directory / "networker.conf",
            {"networker": {"transport_url": node.url, **_MEETING}},
        )
        with processes.serving(worker):
            yield caller
