# SPDX-License-Identifier: Apache-2.0
"""The sandbox driver."""

from __future__ import annotations

import functools
from pathlib import Path

from oslo_config import cfg

from networker.drivers.sandbox.backdoor import Backdoor
from networker.drivers.sandbox.database import Database
from networker.drivers.sandbox.methods.amphorae import AmphoraMethods
from networker.drivers.sandbox.methods.interfaces import InterfaceMethods
from networker.drivers.sandbox.methods.lookups import LookupMethods
from networker.drivers.sandbox.methods.ports import PortMethods
from networker.drivers.sandbox.methods.vips import VipMethods
from networker.drivers.sandbox.populate import populate
from networker.drivers.sandbox.topology import PACKAGED


class SandboxDriver(
    VipMethods, AmphoraMethods, InterfaceMethods, PortMethods, LookupMethods
):
    """A network that exists in one SQLite file only, and is strict about it.

    Each method is one transaction. Before it, the method sleeps as long as a cloud would
    need: so many waves of requests, one after another, where what can be asked at the
    same time is one wave. What a transaction made after its caller's deadline is undone;
    what it removed is not, since finishing that late is harmless.

    :param conf: its group ``[sandbox]`` says where the file is, what a new one begins
        with, and how many seconds a wave takes
    :raises SandboxError: the file is no sandbox, or cannot be used
    :raises TopologyError: the file is new, and its topology is malformed
    """

    #: What is in the sandbox, and what happens there behind the interface's back.
    backdoor: Backdoor

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        topology = Path(conf.sandbox.topology or PACKAGED).absolute()
        fill = functools.partial(populate, path=topology)
        database = Database(Path(conf.sandbox.database), fill)
        super().__init__(database, conf.sandbox.latency)
        self.backdoor = Backdoor(database)
        database.check()

    def close(self) -> None:
        """Do nothing: whatever a method opens, it closes."""
