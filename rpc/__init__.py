# SPDX-License-Identifier: Apache-2.0
"""Call the methods of a NetworkDriver over a message bus, and serve them in workers.

A call goes through ``proxy``, ``client``, ``codec`` and ``bus`` into the broker, and in a
worker through ``server`` and ``dispatcher`` to the driver. ``contract`` says what can be
called, and ``transport`` chooses what carries it: RabbitMQ (``rabbitmq``) or memory.
"""

import networker._eventlet  # noqa: F401 - before anything of oslo.messaging

# isort: split

from networker.rpc.casts import Casts
from networker.rpc.client import LONGEST_TIMEOUT, Client, Reply
from networker.rpc.outcomes import Outcome, outcomes
from networker.rpc.proxy import connect

__all__ = [
    "LONGEST_TIMEOUT",
    "Casts",
    "Client",
    "Outcome",
    "Reply",
    "connect",
    "outcomes",
]
