# SPDX-License-Identifier: Apache-2.0
"""Print the way of one plug_vip through the files of the neutron driver.

    python -m tests.trace

One amphora, its VIP allocated and nothing plugged yet, on the fake cloud, with the serial
engine. What is counted, from the call of ``NeutronDriver.plug_vip`` to the last request, is
how many files of ``drivers/`` take part, and how often the next function of the project
that is called is in another file than the one before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import pathlib
import sys
import tempfile
import warnings
from collections.abc import Iterator
from types import FrameType
from typing import Any

from networker.context import Context
from tests.faults.bench import Bench, benches

_ROOT = pathlib.Path(__file__).parents[1]
#: What belongs to the project; the tests' own fakes are what stands at the end.
_FOLDERS = ("drivers", "networker", "rpc")
#: Functions of the API that make one request each.
_ENTRANCES = frozenset({"Api.get", "Api.post", "Api.put", "Api.delete"})


@dataclasses.dataclass(frozen=True)
class Step:
    """A function of the project that was called.

    :param file: where it is
    :param depth: of the stack
    :param request: what it asks of the cloud; empty if nothing
    """

    file: str
    function: str
    depth: int
    request: str = ""


@dataclasses.dataclass
class Trace:
    """The functions that one call went through, in order."""

    steps: list[Step] = dataclasses.field(default_factory=list)

    def until_the_last_request(self) -> list[Step]:
        """Return what was called before the last request was on its way."""
        places = [n for n, step in enumerate(self.steps) if step.request]
        return self.steps[: places[-1] + 1]

    @property
    def requests(self) -> list[str]:
        """The requests, in order."""
        return [step.request for step in self.steps if step.request]

    @property
    def files(self) -> list[str]:
        """The driver's files, in the order in which they were entered."""
        entered = dict.fromkeys(step.file for step in self.until_the_last_request())
        return [file for file in entered if file.startswith("drivers/")]

    @property
    def changes(self) -> int:
        """How often the next function was in another file."""
        return _changes(self.until_the_last_request())

    def changes_of_requests(self) -> list[int]:
        """Return the changes of file within each request, from `Api` on."""
        return [_changes(steps) for steps in self._of_requests()]

    def _of_requests(self) -> Iterator[list[Step]]:
        begun: list[Step] = []
        for step in self.until_the_last_request():
            if begun and step.depth <= begun[0].depth:
                begun = []
            if begun or step.function in _ENTRANCES:
                begun.append(step)
            if step.request and begun:
                yield begun
                begun = []


def _changes(steps: list[Step]) -> int:
    pairs = itertools.pairwise(steps)
    return sum(one.file != other.file for one, other in pairs)


@contextlib.contextmanager
def tracing(trace: Trace) -> Iterator[None]:
    """Write down which functions of the project are called by this thread."""

    def profile(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call":
            return
        if code.co_qualname == "Proxy.request":
            asked = f"{frame.f_locals['method']} {frame.f_locals['url']}"
            trace.steps[-1] = dataclasses.replace(trace.steps[-1], request=asked)
        elif file := _file(code.co_filename):
            trace.steps.append(Step(file, code.co_qualname, _depth(frame)))

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


@functools.cache
def _file(name: str) -> str:
    """Return which file of the project it is; nothing if none."""
    path = pathlib.Path(name).resolve()
    inside = any(path.is_relative_to(_ROOT / folder) for folder in _FOLDERS)
    return str(path.relative_to(_ROOT)) if inside else ""


def _depth(frame: FrameType | None) -> int:
    depth = 0
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return depth


def plug_vip(bench: Bench) -> Trace:
    """Plug a VIP whose port was made just now into one amphora, and trace that."""
    bench.restore(bench.bare)
    lb = bench.world.load_balancer(amphorae=1)
    vip = bench.allocated(lb)
    trace = Trace()
    with tracing(trace):
        bench.driver.plug_vip(lb, vip)
    return trace


def main() -> None:
    """Print the trace and its figures."""
    warnings.simplefilter("ignore")
    with (
        tempfile.TemporaryDirectory() as directory,
        benches(pathlib.Path(directory), 1) as (bench,),
    ):
        Context().update_store()
        trace = plug_vip(bench)
    before = ""
    for step in trace.until_the_last_request():
        name = step.file if step.file != before else ""
        before = step.file
        print(f"{name:52} {step.function}")
        if step.request:
            print(f"{'':52} ---> {step.request}")
    of_requests = trace.changes_of_requests()
    print(
        f"\n{len(trace.requests)} requests, {len(trace.files)} files, "
        f"{trace.changes} changes of file; within a request: "
        f"{', '.join(map(str, of_requests))}"
    )


if __name__ == "__main__":
    main()
