# SPDX-License-Identifier: Apache-2.0
"""Types that msgspec knows before threads use them."""

from __future__ import annotations

from typing import TypeVar

import msgspec

Kind = TypeVar("Kind")


def known(kind: Kind) -> Kind:
    """Let msgspec look at a type now, and return it; also a decorator.

    It would look at the first use, and where two threads do so at once the process dies.
    """
    msgspec.json.Decoder(kind)
    return kind
