# SPDX-License-Identifier: Apache-2.0
"""Run Octavia's API tests with networker, and compare each with how it ends without.

How they end without is in ``baseline.json``; ``--baseline`` finds it out again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata, resources

SUITE = "octavia.tests.functional.api.v2"
HERE = pathlib.Path(__file__).parent
BASELINE = HERE / "baseline.json"
#: Tests that end differently, and why they must.
EXPLAINED = HERE / "differences.json"
OPTIONS = (
    "-c /dev/null -q --timeout 300 -p tests.octavia.functional.record "
    "-p no:cacheprovider -p no:networker -p no:warnings"
)
NETWORKER = ("-p", "tests.octavia.functional.plugin")


@dataclasses.dataclass(frozen=True)
class Run:
    """How the tests ended.

    :param outcomes: by test: ``passed``, ``failed`` or ``skipped``
    :param calls: by method, how many a backend answered
    :param seconds: that it took; None if it was not now
    """

    outcomes: Mapping[str, str]
    calls: Mapping[str, int] = dataclasses.field(default_factory=dict)
    seconds: float | None = None


def run(processes: int, more: Sequence[str] = ()) -> Run:
    """Run the tests in some processes.

    :param more: arguments for pytest
    """
    suite = resources.files(SUITE)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        record = pathlib.Path(directory, "record.json")
        where = ["--rootdir", str(suite), "--record", str(record), str(suite)]
        options = [*OPTIONS.split(), "-n", str(processes), *more, *where]
        quiet = os.environ | {"PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-m", "pytest", *options]
        subprocess.run(command, check=False, env=quiet)
        if not record.exists():
            sys.exit("the tests were not run")
        return Run(**json.loads(record.read_text()), seconds=time.monotonic() - began)


def version() -> str:
    """Return which Octavia is installed."""
    return metadata.version("octavia")


def remembered(like: Run) -> Run:
    """Return how the tests ended when the baseline was found out.

    :param like: has their names; all passed but those that the baseline names
    """
    known = json.loads(BASELINE.read_text())
    if known["octavia"] != version():
        sys.exit(f"the baseline is of Octavia {known['octavia']}: find it out again")
    names = sorted(like.outcomes)[: known["tests"]]
    names += [f"test {n} that was not run" for n in range(len(names), known["tests"])]
    return Run(dict.fromkeys(names, "passed") | known["others"])


def remember(found: Run) -> None:
    """Write the baseline."""
    others = {test: how for test, how in found.outcomes.items() if how != "passed"}
    known = {"octavia": version(), "tests": len(found.outcomes), "others": others}
    BASELINE.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


def differences(without: Run, with_it: Run) -> Iterator[tuple[str, str, str]]:
    """Return each test that ended differently, and how it did."""
    for test in sorted(without.outcomes.keys() | with_it.outcomes.keys()):
        one = without.outcomes.get(test, "missing")
        other = with_it.outcomes.get(test, "missing")
        if one != other:
            yield test, one, other


def report(without: Run, with_it: Run) -> bool:
    """Print the table, and tell whether all differences are explained."""
    explained = json.loads(EXPLAINED.read_text())
    print(f"\nOctavia {version()}, {SUITE}: {len(without.outcomes)} tests")
    print(f"{'':20}{'passed':>8}{'failed':>8}{'skipped':>8}  seconds")
    for name, one in (("without networker", without), ("with networker", with_it)):
        counts = Counter(one.outcomes.values())
        took = (
            "not run now, see BASELINE=1"
            if one.seconds is None
            else f"{one.seconds:.0f}"
        )
        numbers = [counts[how] for how in ("passed", "failed", "skipped")]
        print(f"{name:20}{''.join(f'{n:8}' for n in numbers)}  {took}")
    print("calls through networker:", *(f"{n} {c}" for n, c in with_it.calls.items()))
    found = list(differences(without, with_it))
    for test, before, now in found:
        print(f"{test}: {before} without, {now} with: {explained.get(test, 'WHY?')}")
    print(f"tests that end differently: {len(found)}")
    return all(test in explained for test, _, _ in found)


def main() -> int:
    """Return 1 if a test ends differently without an explanation."""
    parser = argparse.ArgumentParser(
        prog="tests.octavia.functional", description=__doc__
    )
    parser.add_argument("--baseline", action="store_true", help="run them without, too")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    without = run(arguments.processes) if arguments.baseline else None
    with_it = run(arguments.processes, NETWORKER)
    if without is None:
        without = remembered(with_it)
    else:
        remember(without)
    return 0 if report(without, with_it) and with_it.calls else 1


if __name__ == "__main__":
    sys.exit(main())
