# SPDX-License-Identifier: Apache-2.0
"""What is shown of a dead letter, on the command line and in the console."""

from __future__ import annotations

from typing import Any

from networker.masking import masked, masked_text
from networker.rpc.rabbitmq.dead_letters import Letter

COLUMNS = ("operation_id", "method", "about", "when", "reason", "deliveries")
#: As many characters of an id tell it from others.
_SHORT = 8


def row(letter: Letter) -> tuple[Any, ...]:
    """Return what tells a letter from others, a value for each of :data:`COLUMNS`."""
    when = letter.when.isoformat(sep=" ", timespec="seconds") if letter.when else None
    return (
        letter.id,
        letter.method,
        about(letter.arguments or {}),
        when,
        letter.reason,
        letter.deliveries,
    )


def fields(letter: Letter) -> dict[str, Any]:
    """Return everything that is known of a letter, without passwords and tokens."""
    found = dict(zip(COLUMNS, row(letter), strict=True))
    del found["about"]
    if letter.request is None:
        found["body"] = masked_text(letter.body)
    else:
        parts = letter.request.items()
        found["arguments"] = masked(letter.arguments or {})
        found["context"] = masked(letter.context)
        # Those of the context begin with an underscore, too.
        envelope = {
            k: v for k, v in parts if k != "args" and not k.startswith("_context_")
        }
        found["envelope"] = masked(envelope)
    properties = letter.message.properties.items()
    found["headers"] = masked(letter.message.headers)
    found["properties"] = masked(
        {k: v for k, v in properties if k != "application_headers"}
    )
    return found


def about(arguments: dict[str, Any]) -> str:
    """Return the ids in a request's arguments, shortened.

    :param arguments: as they were sent
    """
    found = []
    for name, value in arguments.items():
        if isinstance(value, dict):
            known = [key for key in value if key == "id" or key.endswith("_id")]
            first = min(known, key=lambda key: key != "id", default="id")
            name, value = f"{name}.{first}", value.get(first)
        if name.endswith("id") and isinstance(value, str):
            found.append(f"{name}={value[:_SHORT]}")
    return " ".join(found)
