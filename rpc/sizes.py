# SPDX-License-Identifier: Apache-2.0
"""How large messages may be: told before they are sent.

A broker that gets a message above its limit closes the channel, and with it goes what
others have on it. So each sender looks first.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from networker import exceptions

#: Bytes of what is in a message besides: ids, where the answer goes, the envelope.
_BESIDES = 2048
#: By how much oslo.messaging's JSON, which is encoded twice, is larger at most.
_GROWTH = 4


def excess(content: Any, most: int) -> int:
    """Return how large a message is, in bytes, if that is more than it may be; else 0.

    It is measured as oslo.messaging would send it, in its envelope, also where it goes
    bare: so one request is either always too large or never.

    :param content: what JSON can carry
    :raises UnicodeEncodeError: it has text that is none
    """
    bare = len(msgspec.json.encode(content)) + _BESIDES
    if bare * _GROWTH <= most:
        return 0
    size = len(json.dumps(json.dumps(content))) + _BESIDES
    return size if size > most else 0


def check_request(method: str, content: Any, most: int) -> None:
    """Refuse a request that cannot be sent.

    :param method: its name
    :param content: arguments and context
    :param most: bytes that it may have
    :raises InvalidRequest: it is too large, or has text that is none
    """
    try:
        size = excess(content, most)
    except (UnicodeEncodeError, RecursionError) as error:
        text = f"{method}: the request cannot be sent: {error}"
        raise exceptions.InvalidRequest(text, method=method) from error
    if size:
        text = (
            f"{method}: the request has {size} bytes, and [networker] max_message_size "
            f"lets {most} through; nothing was sent"
        )
        raise exceptions.InvalidRequest(text, method=method)
