# SPDX-License-Identifier: Apache-2.0
"""Putting a message aside, among the dead letters, where an operator sees it."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import amqp

from networker.rpc.connection import Connection
from networker.rpc.publishing import BROKEN
from networker.rpc.queues import dead_name, dead_queue

LOG = logging.getLogger(__name__)


def put_aside(connection: Connection, topic: str, message: Any, why: str) -> None:
    """Let the broker take a message to the dead letters, in the thread that consumes.

    :raises BROKEN: the connection is lost; the message is delivered again

    :param connection: on which it came
    :param topic: whose dead letters they are
    :param message: as it came, not acknowledged
    :param why: for the log
    """
    if message.channel is not connection.channel:
        return  # it is delivered again
    LOG.warning(
        "a message of %d bytes on %s was put aside in %s: %s",
        message.size,
        message.delivery_info.get("routing_key"),
        dead_name(topic),
        why,
    )
    _declare(connection, topic)
    message.reject()


def _declare(connection: Connection, topic: str) -> None:
    """Make sure that the dead letters have a queue: RabbitMQ would drop what has none."""
    queue = dead_queue(topic, quorum=connection.rabbit_quorum_queue)
    # A refusal closes the channel, which must not be the one that is consumed from.
    with contextlib.suppress(amqp.ChannelError):
        queue(connection.aside()).declare()


def drop(message: Any) -> None:
    """Let the broker forget a message for which there are no dead letters."""
    with contextlib.suppress(*BROKEN):  # it is delivered again
        message.reject()
