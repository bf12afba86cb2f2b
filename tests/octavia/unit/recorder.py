# SPDX-License-Identifier: Apache-2.0
"""A client that sends nothing, and notes what it would have sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import msgspec

from networker import models
from networker.rpc import codec, contract

_RESULTS: dict[str, Any] = {
    "allocate_vip": models.VIP(),
    "get_network_configs": {},
    "get_port_by_name": models.Port(id="port", device_id="another server"),
    "plug_aap_port": models.Amphora(),
    "plug_port": models.Interface(),
    "plug_vip": [],
    "update_vip_sg": "a group",
}


class Recorder:
    """In place of :class:`networker.octavia.process.PerProcess`, and of its clients."""

    def __init__(self) -> None:
        #: By method: the arguments as the bus would carry them.
        self.sent: dict[str, dict[str, Any]] = {}
        #: By method: the seconds it was given.
        self.timeouts: dict[str, float] = {}
        #: By method: the seconds it waits for any worker.
        self.patience: dict[str, float | None] = {}
        self._options: tuple[float, float | None] = (0.0, None)

    def mine(self) -> Self:
        return self

    def with_options(self, timeout: float, pool_timeout: float | None) -> Self:
        self._options = timeout, pool_timeout
        return self

    def size(self, method: str) -> int:
        """Return the bytes that a method's arguments take on the bus."""
        return len(msgspec.json.encode(self.sent[method]))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = contract.methods()[name]

        def send(**arguments: Any) -> Any:
            self.sent[name] = codec.encode_arguments(method, arguments)
            self.timeouts[name], self.patience[name] = self._options
            return _RESULTS.get(name)

        return send
