# SPDX-License-Identifier: Apache-2.0
"""What can lie on a queue that no caller put there, and what becomes of it."""

from __future__ import annotations

import bz2
import dataclasses
import functools
import json
import lzma
import uuid
import zlib
from typing import Any

import amqp

NOWHERE = "11111111-2222-4333-8444-555555555555"
REQUEST: dict[str, Any] = {
    "method": "get_port",
    "args": {"port_id": NOWHERE},
    "namespace": "network",
    "version": "1.0",
}
#: Bytes that a small message would have if it were unpacked.
UNPACKED = 128 * 2**20


@dataclasses.dataclass(frozen=True)
class Junk:
    """A message.

    :param body: its bytes
    :param content_type: and other properties, as py-amqp names them
    :param raw: the properties as bytes, where py-amqp would not write them
    """

    body: bytes
    content_type: str | None = "application/json"
    content_encoding: str | None = "utf-8"
    headers: dict[str, Any] = dataclasses.field(default_factory=dict)
    raw: bytes | None = None

    def message(self) -> amqp.Message:
        """Return it for py-amqp."""
        named = {
            "content_type": self.content_type,
            "content_encoding": self.content_encoding,
            "application_headers": self.headers,
        }
        properties = {k: v for k, v in named.items() if v is not None}
        message = _Raw(self.body, delivery_mode=2, **properties)
        message.raw = self.raw
        return message


class _Raw(amqp.Message):  # type: ignore[misc]
    """A message whose properties can be any bytes."""

    raw: bytes | None = None

    def _serialize_properties(self) -> bytes:
        return super()._serialize_properties() if self.raw is None else self.raw


def envelope(message: object, version: object = "2.0") -> bytes:
    """Wrap a message as oslo.messaging does."""
    wrapped = {"oslo.version": version, "oslo.message": json.dumps(message)}
    return json.dumps(wrapped).encode()


def request(**changes: object) -> dict[str, Any]:
    """Return a request with changes; None takes a part away."""
    changed = REQUEST | {"_unique_id": uuid.uuid4().hex} | changes
    return {name: part for name, part in changed.items() if part is not None}


def deep(levels: int) -> Any:
    """Return lists in lists."""
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


@functools.cache
def bomb(packer: str) -> bytes:
    """Return few bytes that become :data:`UNPACKED`."""
    block = b" " * 2**24
    count = UNPACKED // len(block)
    if packer == "gzip":
        made = zlib.compressobj(1)
        return b"".join([*(made.compress(block) for _ in range(count)), made.flush()])
    # These go on with what comes behind the end of the first.
    pack: Any = {"bzip2": bz2.compress, "lzma": lzma.compress}[packer]
    packed: bytes = pack(block) * count
    return packed


def _raw(flags: int, content: bytes) -> bytes:
    return flags.to_bytes(2, "big") + content


def _table(field: bytes) -> bytes:
    return _raw(0x2000, len(field).to_bytes(4, "big") + field)


def _tables(levels: int) -> bytes:
    """Return headers with tables in tables, deeper than Python can follow."""
    field = b""
    for _ in range(levels):
        field = b"\x01aF" + len(field).to_bytes(4, "big") + field
    return _table(field)


_SOUND = json.dumps(REQUEST).encode()
_PACKED = {name: functools.partial(bomb, name) for name in ("gzip", "bzip2", "lzma")}

#: What is no request at all, and ends among the dead letters.
NOISE: dict[str, Junk] = {
    "empty": Junk(b""),
    "not JSON": Junk(b"{"),
    "bytes": Junk(b"\xff\xfe\x00"),
    "not UTF-8": Junk(b'{"method": "\xff"}'),
    "UTF-16": Junk(_SOUND.decode().encode("utf-16")),
    "lone surrogate": Junk(b'{"method": "\\ud800", "args": {}}'),
    "NaN": Junk(b'{"method": "get_port", "args": {"port_id": NaN}}'),
    "huge float": Junk(b'{"method": "get_port", "args": {"port_id": 1e999}}'),
    "huge int": Junk(
        b'{"method": "get_port", "args": {"port_id": %s}}' % (b"9" * 9999)
    ),
    "text": Junk(b"hello", "text/plain"),
    "pickle": Junk(b"\x80\x04N.", "application/x-python-serialize", "binary"),
    "sound pickle type": Junk(_SOUND, "application/x-python-serialize"),
    "sound yaml type": Junk(_SOUND, "application/x-yaml"),
    "unknown type": Junk(b"x", "application/x-alien"),
    "null": Junk(b"null"),
    "number": Junk(b"5"),
    "string": Junk(b'"get_port"'),
    "list": Junk(b"[1]"),
    "empty object": Junk(b"{}"),
    "deep": Junk(b"[" * 5000),
    "deep object": Junk(b'{"a":' * 5000),
    "a megabyte": Junk(json.dumps("x" * 2**20).encode()),
    "too large": Junk(json.dumps(request(args={"port_id": "x" * 2**21})).encode()),
    "no message": Junk(json.dumps({"oslo.version": "2.0"}).encode()),
    "version 9": Junk(envelope(REQUEST, "9.0")),
    "version 5": Junk(envelope(REQUEST, 5)),
    "inner not JSON": Junk(b'{"oslo.version": "2.0", "oslo.message": "{"}'),
    "inner list": Junk(envelope([1])),
    "inner null": Junk(envelope(None)),
    "inner number": Junk(envelope(5)),
    "gzip": Junk(b"", headers={"compression": "application/x-gzip"}),
    "bzip2": Junk(b"", headers={"compression": "application/x-bz2"}),
    "lzma": Junk(b"", headers={"compression": "application/x-lzma"}),
    "zstd": Junk(_SOUND, headers={"compression": "application/zstd"}),
    "unknown compression": Junk(_SOUND, headers={"compression": "origami"}),
    "compression number": Junk(_SOUND, headers={"compression": 5}),
    "gzip encoding": Junk(zlib.compress(_SOUND), content_encoding="gzip"),
    "punycode": Junk(_SOUND, content_encoding="punycode"),
    "utf-16 encoding": Junk(_SOUND, content_encoding="utf-16"),
    "properties not text": Junk(_SOUND, raw=_raw(0x8000, b"\x02\xff\xfe")),
    "time of no calendar": Junk(_SOUND, raw=_table(b"\x01aT" + b"\x7f" * 8)),
    "deep headers": Junk(_SOUND, raw=_tables(1500)),
}


def filled(kind: str) -> Junk:
    """Return a kind of :data:`NOISE`, packed now if it is."""
    packed = _PACKED.get(kind)
    return dataclasses.replace(NOISE[kind], body=packed()) if packed else NOISE[kind]


#: Where no answer can go to, and what is no id: nobody is answered, and nothing is run.
NOWHERE_TO_ANSWER: dict[str, dict[str, Any]] = {
    "queue number": {"_msg_id": "1", "_reply_q": 5},
    "queue list": {"_msg_id": "1", "_reply_q": ["reply_" + "0" * 32]},
    "queue object": {"_msg_id": "1", "_reply_q": {"a": 1}},
    "queue true": {"_msg_id": "1", "_reply_q": True},
    "queue empty": {"_msg_id": "1", "_reply_q": ""},
    "queue long": {"_msg_id": "1", "_reply_q": "reply_h:p:" + "1" * 250},
    "queue of a megabyte": {"_msg_id": "1", "_reply_q": "reply_" + "0" * 2**20},
    "queue not ASCII": {"_msg_id": "1", "_reply_q": "reply_hôte:p:1"},
    "queue with a newline": {"_msg_id": "1", "_reply_q": "reply_" + "0" * 32 + "\n"},
    "queue missing": {"_msg_id": "1"},
    "queue of another kind": {"_msg_id": "1", "_reply_q": "reply-1"},
    "id missing": {"_reply_q": "reply_" + "0" * 32},
    "id list": {"_msg_id": ["1"], "_reply_q": "reply_" + "0" * 32},
    "id object": {"_msg_id": {"a": 1}, "_reply_q": "reply_" + "0" * 32},
    "id number": {"_msg_id": 5, "_reply_q": "reply_" + "0" * 32},
    "id empty": {"_msg_id": "", "_reply_q": "reply_" + "0" * 32},
    "id of a megabyte": {"_msg_id": "x" * 2**20, "_reply_q": "reply_" + "0" * 32},
    "id not ASCII": {"_msg_id": "é", "_reply_q": "reply_" + "0" * 32},
}

#: Requests that name no method of the interface: an error for who waits, else put aside.
UNSERVABLE: dict[str, dict[str, Any]] = {
    "no method": request(method=None),
    "method number": request(method=5),
    "method list": request(method=["get_port"]),
    "method of a megabyte": request(method="x" * 2**20),
    "method with a newline": request(method="get_port\nERROR forged"),
    "unknown method": request(method="get_rich"),
    "private method": request(method="_exposed"),
    "attribute": request(method="target"),
    "dunder": request(method="__class__"),
    "args null": request() | {"args": None},
    "args list": request(args=[NOWHERE]),
    "args text": request(args="port_id"),
    "version text": request(version="abc"),
    "version number": request(version=1),
    "version list": request(version=["1.0"]),
    "version newer": request(version="1.99"),
    "version other": request(version="2.0"),
    "namespace none": request(namespace=None),
    "namespace other": request(namespace="gardening"),
    "namespace number": request(namespace=5),
}

#: Requests with wrong arguments: an error for who waits; as casts they are run, and fail.
WRONG: dict[str, dict[str, Any]] = {
    "args missing": request(args=None),
    "args unknown": request(args={"port_id": NOWHERE, "colour": "blue"}),
    "args unknown of a megabyte": request(args={"x" * 2**20: 1}),
    "args self": request(args={"port_id": NOWHERE, "self": 1}),
    "args context": request(args={"port_id": NOWHERE, "context": 1}),
    "args number": request(args={"port_id": 5}),
    "args big number": request(args={"port_id": 10**300}),
    "args empty": request(args={"port_id": ""}),
    "args deep": request(args={"port_id": deep(50)}),
    "args deeper": request(args={"port_id": deep(400)}),
    "deadline over": request(_context_deadline=1.0),
}

#: Strange, and yet to be served: the answer is the driver's.
ODD: dict[str, dict[str, Any]] = {
    "context number": request(_context_request_id=5),
    "context object": request(_context_operation_id={"a": [1]}),
    "context of a megabyte": request(_context_request_id="x" * 2**20),
    "context with a newline": request(_context_request_id="req-1\nERROR forged"),
    "context self": request(_context_self=1, _context_lease=1),
    "deadline text": request(_context_deadline="soon"),
    "deadline huge": request(_context_deadline=10**300, _context_sent=1.5),
    "deadline true": request(_context_deadline=True),
    "unique id list": request(_unique_id=[1]),
    "unique id object": request(_unique_id={"a": 1}),
    "timeout text": request(_timeout="abc"),
    "timeout list": request(_timeout=[1]),
    "timeout huge": request(_timeout=10**300),
    "timeout negative": request(_timeout=-5),
    "unknown part": request(colour="blue"),
    "port of a megabyte": request(args={"port_id": "x" * 2**20}),
    "port with a newline": request(args={"port_id": "p\nERROR forged"}),
}
