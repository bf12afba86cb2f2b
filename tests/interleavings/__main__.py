# SPDX-License-Identifier: Apache-2.0
"""`make interleavings`: try the schedules of all pairs, or play one."""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings

from tests.interleavings.company import FULL, SHORT, names, run, stage_of
from tests.interleavings.explorer import Finding, Report, story
from tests.interleavings.stage import theatre

_ROW = "| {:<42} | {:>9} | {:>6} | {:>4} | {:>8} |"


def main() -> int:
    """Run the command, and return its exit status."""
    options = _options()
    wanted = [name for name in names() if options.pair.lower() in name.lower()]
    if not wanted:
        print(f"no pair has {options.pair!r} in its name", file=sys.stderr)
        return 2
    if options.schedule is not None:
        exact = [name for name in wanted if name == options.pair]
        return _play((exact or wanted)[0], options.schedule)
    form = SHORT if options.short else FULL
    begun = time.monotonic()
    total, found = Report(), []
    print(_ROW.format("pair", "schedules", "states", "gaps", "findings"))
    print(_ROW.format("-" * 42, "-" * 9, "-" * 6, "-" * 4, "-" * 8))
    for name, report in run(form, wanted, options.time, options.processes):
        more = "" if report.finished else "+"
        states, broken = len(report.states), sum(report.broken.values())
        row = _ROW.format(
            name, f"{report.schedules}{more}", states, report.gaps, broken
        )
        print(row, flush=True)
        total.add(report)
        found += [(name, one) for one in report.findings]
    broken = sum(total.broken.values())
    print(_ROW.format("all", total.schedules, len(total.states), total.gaps, broken))
    took = time.monotonic() - begun
    print(f"{took:.0f} s, {total.schedules / took:.0f} schedules a second")
    _tell(found)
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make interleavings", description=__doc__)
    parser.add_argument("--pair", default="", help="a part of its name; all by default")
    parser.add_argument("--schedule", help="play one schedule of the pair, and tell it")
    parser.add_argument("--time", type=float, default=6 * 3600.0, help="seconds")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--short", action="store_true", help="the form of make test")
    return parser.parse_args()


def _play(name: str, schedule: str) -> int:
    with theatre() as place:
        stage = stage_of(place, name, FULL)
        print(f"{name}: {schedule or 'no interruption'}")
        print(told := story(stage, Finding(schedule, "", "")))
    return 0 if "\nnothing: " in told else 1


def _tell(found: list[tuple[str, Finding]]) -> None:
    for name, one in found:
        print(f"\n{name}: {one.rule}\n{one.wrong}")
        print(f"make interleavings PAIR='{name}' SCHEDULE='{one.schedule}'")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
