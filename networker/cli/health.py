# SPDX-License-Identifier: Apache-2.0
"""``networker health``: whether the workers of this host serve."""

from __future__ import annotations

import argparse
import http.client

from networker import listening
from networker.cli.base import Operation
from networker.service import Refused


class Health(Operation):
    """Ask the workers of this host whether they serve.

    They are asked at [networker] listen, which has to be set: whether at least one of
    them is subscribed to its queues, had an answer of the cloud within the last minute,
    and is not draining. The exit code is 0 if so, 1 if not, with the reasons, or if nobody
    answers, and 2 if the configuration has to be mended.
    """

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Run the command; its exit code tells whether they serve."""
        self._ready = False
        return super().run(parsed_args) or int(not self._ready)

    def take_action(self, _: argparse.Namespace) -> None:
        """Ask, and print the answer."""
        address = self.configuration().networker.listen
        if not address:
            raise Refused("[networker] listen is not set: workers tell nothing")
        try:
            answer = listening.ask(address, "/readyz")
            text = answer.text
        except (OSError, http.client.HTTPException) as error:
            text = f"nobody answers at {address}: {error}\n"
        else:
            self._ready = answer.status == http.client.OK
        (self.app.stdout if self._ready else self.app.stderr).write(text)
