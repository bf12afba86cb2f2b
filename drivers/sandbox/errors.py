# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a sandbox itself, and with a request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from networker.drivers.base import Misconfigured
from networker.drivers.operation import About, Refusal
from networker.exceptions import NetworkException, NotFound


class SandboxError(Misconfigured):
    """The database cannot be used; the message is one line, and names the file."""


class TopologyError(SandboxError, ValueError):
    """The topology file is malformed; the message says where, and what is wrong."""


class Rejected(Refusal, ValueError):
    """What a cloud would refuse.

    :param text: what the cloud would say
    :param code: the HTTP status with which it would say so; None where no cloud would, and
        a driver has to look itself
    """

    def __init__(self, text: str, code: int | None = 400) -> None:
        super().__init__(text)
        self.code = code

    def as_error(
        self, failure: type[NetworkException], about: About
    ) -> NetworkException:
        """Return the interface's error."""
        known = {k: v for k, v in about.items() if k in failure.names()}
        text = str(self)
        return failure(text, orig_msg=text, orig_code=self.code, **known)


def missing(kind: type[NotFound], **ids: str | None) -> NotFound:
    """Return what a cloud says of something that does not exist.

    :param ids: attributes of the exception
    """
    text = str(kind(**ids))
    return kind(text, **ids, orig_msg=text, orig_code=404)


@contextlib.contextmanager
def not_said() -> Iterator[None]:
    """Raise what does not exist without words, where a cloud gives but a shorter list."""
    try:
        yield
    except NotFound as error:
        said = ("orig_msg", "orig_code")
        known = {k: v for k, v in error.attributes().items() if k not in said}
        raise type(error)(str(error), **known) from error
