# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a sandbox itself, as opposed to a request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from networker.drivers.base import Misconfigured
from networker.exceptions import CloudFailure, NetworkException, NotFound


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


def missing(kind: type[NotFound], **ids: str | None) -> NotFound:
    """Return what a cloud says of something that does not exist.

    :param ids: attributes of the exception
    """
    text = str(kind(**ids))
    return kind(text, **ids, orig_msg=text, orig_code=404)


@contextlib.contextmanager
def refused_as(failure: type[NetworkException], **about: str | None) -> Iterator[None]:
    """Turn a refusal inside the block into the exception that the interface promises.

    :param about: attributes of the exception, as far as its class has them
    """
    try:
        yield
    except Refused as error:
        text = str(error)
        known = {k: v for k, v in about.items() if k in failure.names()}
        raise failure(text, orig_msg=text, orig_code=error.code, **known) from error
    except CloudFailure as error:
        known = {k: v for k, v in about.items() if k in error.names()}
        raise type(error)(str(error), **{**known, **error.attributes()}) from error


@contextlib.contextmanager
def not_said() -> Iterator[None]:
    """Raise what does not exist without words, where a cloud gives but a shorter list."""
    try:
        yield
    except NotFound as error:
        said = ("orig_msg", "orig_code")
        known = {k: v for k, v in error.attributes().items() if k not in said}
        raise type(error)(str(error), **known) from error
