# SPDX-License-Identifier: Apache-2.0
"""Several things removed, each on its own: what can go, goes, whatever holds the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from networker.drivers.flow import Flows, step
from networker.exceptions import BusError, NetworkException

#: What went wrong, by what it went wrong with.
Errors = dict[str, NetworkException]


def attempt(
    flows: Flows, name: str, calls: Mapping[str, Callable[[], object]]
) -> tuple[dict[str, Any], Errors]:
    """Make calls at the same time, and let none of them stop the others.

    :param calls: by what they are about, for the log and the errors
    :returns: the results of those that succeeded, and the errors of the others
    """

    def kept(about: str) -> object:
        try:
            return calls[about]()
        except BusError:
            # The request is another worker's by now: nothing may go on.
            raise
        except NetworkException as error:
            return _Failed(error)

    steps = [
        step(kept, name=f"{name} {about}", provides=about, about=about)
        for about in calls
    ]
    done = flows.run(name, steps) if steps else {}
    results = {about: done[about] for about in calls}
    errors = {k: v.error for k, v in results.items() if isinstance(v, _Failed)}
    return {k: v for k, v in results.items() if k not in errors}, errors


class _Failed:
    """What a call raised."""

    def __init__(self, error: NetworkException) -> None:
        self.error = error


def raise_all(*errors: Errors) -> None:
    """Raise what went wrong as one error that names everything that it is about.

    :raises NetworkException: the first error, with the texts of all
    """
    found = [(about, error) for one in errors for about, error in one.items()]
    if found:
        first = found[0][1]
        texts = [f"{about}: {error.orig_msg or error}" for about, error in found]
        said = {**first.attributes(), "orig_msg": "; ".join(texts)}
        raise type(first)(**said) from first
