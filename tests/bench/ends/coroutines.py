# SPDX-License-Identifier: Apache-2.0
"""Callers that are coroutines."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.bench.ends import loop

T = TypeVar("T")


class Coroutines:
    """Callers that are coroutines of one loop, which a thread keeps running."""

    def __init__(self) -> None:
        self._events = asyncio.new_event_loop()
        threading.Thread(target=self._events.run_forever, daemon=True).start()

    def run(self, todo: Coroutine[Any, Any, T]) -> T:
        """Run something in the loop, and return its result."""
        return asyncio.run_coroutine_threadsafe(todo, self._events).result()

    def measure(
        self, call: Callable[[], Coroutine[Any, Any, object]], order: loop.Order
    ) -> list[float]:
        """Carry out an order, and return the seconds that each call took."""
        return self.run(self._measured(call, order))

    async def _measured(
        self, call: Callable[[], Coroutine[Any, Any, object]], order: loop.Order
    ) -> list[float]:
        taken: list[float] = []
        allowed = loop.until_done(order)

        async def call_on() -> None:
            for _ in allowed:
                began = time.perf_counter()
                await call()
                taken.append(time.perf_counter() - began)

        await asyncio.gather(*(call_on() for _ in range(order.callers)))
        return taken
