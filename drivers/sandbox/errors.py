# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a sandbox itself, as opposed to a request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from networker.drivers.base import Misconfigured
from networker.exceptions import NetworkException


class SandboxError(Misconfigured):
    """The database cannot be used; the message is one line, and names the file."""


class TopologyError(SandboxError, ValueError):
    """The topology file is malformed; the message says where, and what is wrong."""


class Refused(ValueError):
    """What a cloud would refuse; each operation has its own class for it.

    :param text: what the cloud would say
    :param code: the HTTP status with which it would say so; None where no cloud would, and
        a driver has to look itself
    """

    def __init__(self, text: str, code: int | None = 400) -> None:
        super().__init__(text)
        self.code = code


@contextlib.contextmanager
def refused_as(failure: type[NetworkException], **about: str | None) -> Iterator[None]:
    """Turn a refusal inside the block into the exception that the interface promises.

    :param about: attributes of the exception
    """
    try:
        yield
    except Refused as error:
        text = str(error)
        raise failure(text, orig_msg=text, orig_code=error.code, **about) from error
