# SPDX-License-Identifier: Apache-2.0
"""What is in a message, with or without the envelope of oslo.messaging.

oslo.messaging puts a request as JSON into an envelope of JSON, so that it is encoded twice.
It takes requests without one as well, so networker sends calls and answers bare.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from networker._types import known

#: What :func:`content` raises where there is none.
ERRORS = (msgspec.MsgspecError, UnicodeError, RecursionError)


@known
class _Envelope(msgspec.Struct):
    version: Literal["2.0"] = msgspec.field(name="oslo.version")
    message: str = msgspec.field(name="oslo.message")


def content(body: str | bytes) -> dict[str, Any]:
    """Return what is in the body of a message.

    :raises ERRORS: it is nothing that oslo.messaging sends
    """
    found = msgspec.json.decode(body, type=dict[str, Any])
    if "oslo.message" in found:
        inner = msgspec.convert(found, _Envelope).message
        found = msgspec.json.decode(inner, type=dict[str, Any])
    return found
