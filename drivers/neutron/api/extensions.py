# SPDX-License-Identifier: Apache-2.0
"""Ask which extensions a cloud's Neutron has."""

from __future__ import annotations

import threading
import time

from networker.drivers.neutron.api.errors import Refused
from networker.drivers.neutron.api.requests import Api

QOS = "qos"
SECURITY_GROUPS = "security-group"
#: Seconds for which an answer is believed.
_KNOWN = 600.0


class Extensions:
    """The extensions of a Neutron.

    :param api: it
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = threading.Lock()
        #: When each was asked for, and whether it is there.
        self.answers: dict[str, tuple[float, bool]] = {}

    def has(self, alias: str) -> bool:
        """Tell whether there is an extension, as it was some minutes ago at most."""
        with self._lock:
            asked, answer = self.answers.get(alias, (-_KNOWN, False))
        if time.monotonic() - asked < _KNOWN:
            return answer
        return self.ask(alias)

    def ask(self, alias: str) -> bool:
        """Tell whether there is an extension now."""
        try:
            self._api.get(f"/extensions/{alias}")
        except Refused as refused:
            # Any other 404 comes from something before Neutron.
            if refused.orig_code != 404 or alias not in (refused.orig_msg or ""):
                raise
            answer = False
        else:
            answer = True
        with self._lock:
            self.answers[alias] = (time.monotonic(), answer)
        return answer
