# SPDX-License-Identifier: Apache-2.0
"""Pika with RabbitMQ's direct reply-to: close to the least that a call can cost."""

from __future__ import annotations

import json
import time
from typing import Any

import pika

from tests.bench.ends import loop

_REPLIES = "amq.rabbitmq.reply-to"


def worker(settings: loop.Settings, channel: Any) -> None:
    """Echo, in the thread that has the connection, as pika wants it."""
    channel.queue_declare(settings.name)
    channel.basic_qos(prefetch_count=settings.threads)

    def answer(_: Any, method: Any, properties: Any, body: bytes) -> None:
        result = json.loads(body)["load_balancer"]["amphorae"]
        channel.basic_publish("", properties.reply_to, json.dumps(result).encode())
        channel.basic_ack(method.delivery_tag)

    channel.basic_consume(settings.name, answer)
    loop.ready()
    channel.start_consuming()


def client(settings: loop.Settings, channel: Any) -> None:
    """Make calls; as many at a time as there are callers, on one connection."""
    answers: list[bytes] = []
    channel.basic_consume(
        _REPLIES, lambda *received: answers.append(received[3]), auto_ack=True
    )
    properties = pika.BasicProperties(reply_to=_REPLIES)

    def measure(order: loop.Order) -> list[float]:
        allowed = loop.until_done(order)
        begun: list[float] = []
        taken: list[float] = []

        def send() -> None:
            begun.append(time.perf_counter())
            body = json.dumps(settings.arguments).encode()
            channel.basic_publish("", settings.name, body, properties)

        for _ in range(order.callers):
            if next(allowed, None):
                send()
        while begun:
            channel.connection.process_data_events(time_limit=1)
            for body in answers:
                json.loads(body)
                taken.append(time.perf_counter() - begun.pop(0))
                if next(allowed, None):
                    send()
            answers.clear()
        return taken

    loop.obey(measure)


def main() -> None:
    """Be the end that the command line names."""
    role, settings = loop.role()
    # It would want to be served between orders.
    parameters = pika.URLParameters(f"{settings.url}?heartbeat=0")
    channel = pika.BlockingConnection(parameters).channel()
    {"worker": worker, "client": client}[role](settings, channel)


main()
