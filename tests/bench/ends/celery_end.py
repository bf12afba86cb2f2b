# SPDX-License-Identifier: Apache-2.0
"""Celery with results over AMQP and a pool of threads."""

from __future__ import annotations

from typing import Any

from celery import Celery, signals

from tests.bench.ends import loop


def main() -> None:
    """Be the end that the command line names."""
    role, settings = loop.role()
    app = Celery(settings.name, broker=settings.url, backend="rpc://")
    app.conf.task_default_queue = settings.name

    @app.task(name="plug_vip")
    def plug_vip(load_balancer: dict[str, Any], vip: dict[str, Any]) -> Any:
        return load_balancer["amphorae"]

    def call() -> object:
        return plug_vip.apply_async(kwargs=settings.arguments).get(timeout=60)

    if role == "client":
        loop.obey(loop.Callers(lambda: call).measure)
        return
    ready = signals.worker_ready.connect(lambda **_: loop.ready(), weak=False)
    assert ready
    pool = ["--pool=threads", f"--concurrency={settings.threads}"]
    app.worker_main(["worker", *pool])


main()
