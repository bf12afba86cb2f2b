# SPDX-License-Identifier: Apache-2.0
"""Leave out of what is shown to people what only the machine has to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oslo_utils import strutils

_MASK = "***"


def masked(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what somebody has sent without passwords, tokens and secrets.

    They are known by the names of their fields, however deep, and in texts by the names
    before them. A user's context, which crosses the bus sealed, is left out as a whole.

    :param content: such as arguments or headers of a message
    """
    found: dict[str, Any] = strutils.mask_dict_password(content, secret=_MASK)
    if isinstance(found.get("context"), str):
        found["context"] = _MASK
    return found


def masked_text(content: str) -> str:
    """Return a text, of which nothing is known, without passwords and tokens."""
    return str(strutils.mask_password(content, secret=_MASK))
