# SPDX-License-Identifier: Apache-2.0
"""What it costs a worker to be observed, beside what a call costs altogether."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.bench.conditions import Setup
from tests.bench.contestants import ROOT
from tests.bench.results import Limit, Row

#: The part of a call's processor time that it may take.
_MOST = 0.02
_WORDS = {
    "noted": "what is noted for who asks the pool",
    "listen": "that and [networker] listen",
}


def observing(setup: Setup, total: float, *, calls: int = 3000) -> list[Row]:
    """Measure the processor time that observing adds to a dispatch.

    It is too little to be seen in the difference of two workers.

    :param total: milliseconds of processor time of a call: broker, worker and client
    :param calls: of each measurement
    """
    setup.say("observing")
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.ends.observing_end", str(calls), "7"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = json.loads(done.stdout)
    rows = []
    for name, words in _WORDS.items():
        pairs = zip(found["unobserved"], found[name], strict=True)
        added = [observed - plain for plain, observed in pairs]
        rows.append(
            Row(
                f"observing: {words}",
                "ms",
                added,
                against="added / all of a call",
                ratios=[each / total for each in added],
                limit=Limit(most=_MOST, of_ratio=True),
                note=f"of {total:.2f} ms",
            )
        )
    return rows
