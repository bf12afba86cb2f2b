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
        self._timeout = 0.0

    def mine(self) -> Self:
        return self

    def with_options(self, timeout: float) -> Self:
        self._timeout = timeout
        return self

    def size(self, method: str) -> int:
        """Return the bytes that a method's arguments take on the bus."""
        return len(msgspec.json.encode(self.sent[method]))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = contract.methods()[name]

        def send(**arguments: Any) -> Any:
            self.sent[name] = codec.encode_arguments(method, arguments)
            self.timeouts[name] = self._timeout
            return _RESULTS.get(name)

        return send
