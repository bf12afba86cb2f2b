# SPDX-License-Identifier: Apache-2.0
"""oslo.messaging without eventlet.

Importing oslo.messaging makes oslo.service choose its backend, by default eventlet's, and
oslo.utils imports eventlet wherever that is installed. A controller that uses neither would
pay for it with a third of a second and a warning, and could not choose a backend any more.
So who imports networker's end of the bus first gets oslo.messaging without both, unless the
process has eventlet, or oslo.messaging, already.

What the controller imports afterwards, or other threads meanwhile, is what it would be
without us: eventlet and oslo.service are there, and once eventlet is imported it answers
oslo.messaging's questions, such as whether it has patched threads.
"""

from __future__ import annotations

import importlib
import sys
import threading
import types
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

_SERVICE = "oslo_service.service"
_EVENTLETUTILS = "oslo_utils.eventletutils"
#: What the bus needs as Python has it.
_NEEDED = ("select", "socket", "thread")


class _Service(types.ModuleType):
    """Stands for `oslo_service.service` until oslo.messaging is imported.

    oslo.messaging takes a base class from it, which all backends have in common.
    """

    def __getattr__(self, name: str) -> Any:
        """Return what another thread looks for that has met it."""
        if name.startswith("__"):
            raise AttributeError(name)
        _forget(self)
        return getattr(importlib.import_module(_SERVICE), name)


class _Eventletutils(types.ModuleType):
    """`oslo_utils.eventletutils` of a process that has no eventlet until now."""

    def __getattribute__(self, name: str) -> Any:
        """Look again once there is eventlet."""
        if not name.startswith("__") and sys.modules.get("eventlet"):
            self.__class__ = types.ModuleType  # type: ignore[assignment]
            importlib.reload(self)
        return types.ModuleType.__getattribute__(self, name)


class _Base(Loader):
    """Makes that stand-in."""

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """Return it."""
        return _Service(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Put the base class into it."""
        from oslo_service.backend.base import ServiceBase

        vars(module)["ServiceBase"] = ServiceBase


class _Finder(MetaPathFinder):
    """Finds, for the thread that made it, no eventlet and that stand-in."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: types.ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """Return what is to be loaded; None leaves it to others."""
        if threading.get_ident() != self._thread:
            return None
        if fullname.partition(".")[0] == "eventlet":
            raise ModuleNotFoundError(f"not while {__name__} imports", name=fullname)
        return ModuleSpec(fullname, _Base()) if fullname == _SERVICE else None


def _forget(found: types.ModuleType | None) -> None:
    """Let the next one who imports `oslo_service.service` have the real one."""
    if isinstance(found, _Service) and sys.modules.get(_SERVICE) is found:
        del sys.modules[_SERVICE]
        vars(sys.modules["oslo_service"]).pop("service", None)


def refuse() -> None:
    """Refuse a process whose threads are eventlet's.

    Connections wait in threads of the system and with `select.poll`, which eventlet takes
    away: the first call would never end.

    :raises ValueError: eventlet has patched this process
    """
    patcher = sys.modules.get("eventlet.patcher")
    patched = [name for name in _NEEDED if patcher and patcher.is_monkey_patched(name)]
    if patched:
        raise ValueError(
            f"eventlet.monkey_patch() has replaced {', '.join(patched)} in this process, "
            "and networker needs those of Python: connect in a process without "
            "monkey_patch(), for instance with oslo.service's threading backend"
        )


def _import() -> None:
    if {"eventlet", "oslo_messaging"} & sys.modules.keys():
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("oslo_messaging")
    finally:
        sys.meta_path.remove(finder)
        _forget(sys.modules.get(_SERVICE))
    found = sys.modules.get(_EVENTLETUTILS)
    if found and found._patcher is None:
        found.__class__ = _Eventletutils


_import()
