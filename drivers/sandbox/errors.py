# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a sandbox itself, as opposed to a request."""

from networker.drivers.base import Misconfigured


class SandboxError(Misconfigured):
    """The database cannot be used; the message is one line, and names the file."""


class TopologyError(SandboxError, ValueError):
    """The topology file is malformed; the message says where, and what is wrong."""


class Refused(ValueError):
    """What a cloud would refuse; each operation has its own class for it.

    :param text: what the cloud would say
    :param code: the HTTP status with which it would say so
    """

    def __init__(self, text: str, code: int = 400) -> None:
        super().__init__(text)
        self.code = code
