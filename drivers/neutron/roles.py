# SPDX-License-Identifier: Apache-2.0
"""The roles that the driver's user needs."""

from __future__ import annotations

from collections.abc import Collection

#: What Neutron's default policies want of who makes ports for load balancers.
WANTED = ("member", "service")


def lacking(roles: Collection[str] | None) -> list[str]:
    """Say which roles are lacking.

    Not as an error: a cloud may have policies of its own.

    :param roles: those in the user's token; None if it does not tell
    """
    if roles is None or "admin" in roles:
        return []
    missing = [role for role in WANTED if role not in roles]
    if not missing:
        return []
    text = (
        f"the cloud's user lacks the roles {' and '.join(missing)}, without which "
        f"Neutron's default policies refuse changes; it has {describe(roles)}"
    )
    return [text]


def describe(roles: Collection[str] | None) -> str:
    """Return the roles for people to read."""
    if roles is None:
        return "not checked, since the token does not tell them"
    return ", ".join(sorted(roles)) or "none"
