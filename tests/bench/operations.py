# SPDX-License-Identifier: Apache-2.0
"""Experiment: what operations ask of the cloud that OS_CLOUD names, and what they take.

Octavia's own driver and networker's live the same lives of load balancers, step by step
in turn, so that no step is measured while another one runs. Beside them, the fewest
requests are sent by hand, to show what the cloud allows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any

from tests.bench.conditions import Setup
from tests.bench.contestants import OCTAVIA, End, settings
from tests.bench.counting import counted
from tests.bench.ends.lives import Server, Step, Taken
from tests.bench.results import Limit, Row, ratios
from tests.bench.site import Site, new_id, workers
from tests.chaos.bench import opened

_NETWORKER, _OCTAVIA, _BUS = "networker", "Octavia", "networker, by the bus"
#: The fewest requests, that no driver can do with.
_HAND = "by hand"
#: Those that only live whole lives.
_WHOLE_ONLY = (_BUS, _HAND)
#: Seconds that a step may take.
_PATIENCE = 300.0
#: Amphorae of a load balancer, and of a large one.
_PAIR, _MANY = 2, 8


@dataclasses.dataclass(frozen=True)
class Operation:
    """A step in a life that is measured.

    :param what: it is, for people; a step that only leads to another one has nothing here
    :param step: the name of the method of a life
    :param most: the most requests and waves of networker's
    :param share: the most of the time that Octavia's driver takes
    """

    what: str
    step: str
    most: tuple[int, int] | None = None
    share: float | None = None
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)


_CONFIGS = "get_network_configs, 2 amphorae"
#: The parts of a life, one after another.
PARTS = (
    Operation("allocate_vip", "allocate_vip", (1, 1)),
    Operation("update_vip_sg, new, 2 listeners", "update_vip_sg", (4, 3)),
    Operation("update_vip_sg, unchanged", "update_vip_sg", (2, 1)),
    Operation("update_vip, unchanged", "update_vip", (2, 1)),
    Operation("update_vip, 10 listeners more", "add_listeners", (3, 2)),
    Operation("update_vip, 10 listeners fewer", "remove_listeners", (21, 2)),
    Operation("plug_vip, 2 amphorae", "plug_vip", (5, 3)),
    Operation(_CONFIGS, "get_network_configs", (3, 1)),
    Operation("unplug_vip, 2 amphorae", "unplug_vip", (7, 4)),
    Operation("plug_aap_port", "plug_aap_port", (3, 3), arguments={"index": 0}),
    Operation("", "plug_aap_port", arguments={"index": 1}),
    Operation("", "widen"),
    Operation(f"{_CONFIGS}, 2 additional VIPs", "get_network_configs", (3, 1)),
    Operation("deallocate_vip, 2 amphorae plugged", "deallocate_vip", (7, 4)),
)
#: The same at once: VIP, group, amphorae, a member network for each, configurations.
WHOLE = (
    Operation("whole create", "create", (14, 9), 0.5),
    Operation("whole delete", "delete", (14, 9), 0.5),
)
#: What only networker's driver does, for one amphora and many.
PLUGS = ("plug_vip, 1 amphora", f"plug_vip, {_MANY} amphorae")


class Side:
    """A process that lives the lives that it is told to.

    :param servers: its own
    """

    def __init__(self, end: End, servers: Sequence[Server]) -> None:
        self._end, self._servers = end, servers
        self.balancer_id, self._amphorae = "", list(servers)

    def begin(self, amphorae: int = _PAIR) -> None:
        """Let the next step be the first of a new life."""
        self.balancer_id = new_id()
        self._amphorae = [
            dataclasses.replace(server, amphora_id=new_id())
            for server in self._servers[:amphorae]
        ]

    def take(self, step: str, **arguments: Any) -> Taken:
        """Take one step.

        :raises RuntimeError: the process has ended, since the step failed, or it hangs
        """
        self._end.send(Step(self.balancer_id, self._amphorae, step, arguments))
        return Taken.read(self._end.listen(_PATIENCE))


#: By operation and side, what was taken round by round.
Found = Mapping[str, Mapping[str, list[Taken]]]


class Run:
    """All rounds, on one cloud."""

    def __init__(self, site: Site, sides: Mapping[str, Side]) -> None:
        self._site, self._sides = site, sides
        self.found: dict[str, dict[str, list[Taken]]] = defaultdict(
            lambda: defaultdict(list)
        )

    def warm_up(self) -> None:
        """Live one life each, all at the same time, since nobody measures."""

        def live(side: Side) -> None:
            side.begin()
            for operation in WHOLE:
                side.take(operation.step)

        with futures.ThreadPoolExecutor(len(self._sides)) as pool:
            list(pool.map(live, self._sides.values()))
        self._site.settle()

    def round(self, number: int) -> None:
        """Live the lives that there are; who comes first changes with the round."""
        names, first = list(self._sides), number % len(self._sides)
        names = names[first:] + names[:first]
        self._live(PARTS, [name for name in names if name not in _WHOLE_ONLY])
        self._live(WHOLE, names)
        for what, amphorae in zip(PLUGS, (1, _MANY), strict=True):
            self._plug(what, amphorae)

    def _live(self, operations: Sequence[Operation], names: Sequence[str]) -> None:
        for name in names:
            self._sides[name].begin()
        for operation in operations:
            for name in names:
                side = self._sides[name]
                arguments = dict(operation.arguments)
                if operation.step == "widen":
                    arguments["additional"] = self._site.widen(side.balancer_id)
                taken = side.take(operation.step, **arguments)
                self.found[operation.what][name].append(taken)
        self._site.settle()

    def _plug(self, what: str, amphorae: int) -> None:
        """Let networker plug a VIP into one amphora, or many."""
        side = self._sides[_NETWORKER]
        side.begin(amphorae)
        for step in ("allocate_vip", "update_vip_sg"):
            side.take(step)
        self.found[what][_NETWORKER].append(side.take("plug_vip"))
        for step in ("unplug_vip", "deallocate_vip"):
            side.take(step)
        self._site.settle()


def operations(setup: Setup, *, most_rounds: int | None = None) -> list[Row]:
    """Measure each operation of both drivers.

    :param most_rounds: since a round takes about a minute; any number if None
    """
    site = Site(os.environ["OS_CLOUD"])
    with site.swept(), contextlib.ExitStack() as stack:
        setup.say("making servers and starting processes")
        run = Run(site, _sides(setup, site, stack))
        setup.say("living a life each, to warm up")
        run.warm_up()
        rounds = min(setup.rounds, most_rounds or setup.rounds)
        for number in range(rounds):
            setup.say(f"round {number + 1} of {rounds}")
            run.round(number)
    return rows(run.found)


def _sides(setup: Setup, site: Site, stack: contextlib.ExitStack) -> dict[str, Side]:
    """Start the processes."""
    cloud = site.place.cloud
    servers = site.boot(_MANY)
    place = dataclasses.asdict(site.place)
    neutron = {"cloud": cloud}
    options = {"networker": {"driver": "neutron"}, "neutron": neutron}

    def started(module: str, role: str, **more: Any) -> End:
        end = End(module, role, settings(setup, role, options, place=place, **more))
        stack.callback(end.close)
        return end

    driver = started("drivers_end", "driver")
    sides = {_NETWORKER: Side(driver, servers)}
    if OCTAVIA.exists():
        sides[_OCTAVIA] = Side(started("octavia_end", "octavia"), servers[2:])
    else:
        setup.say(f"Octavia is skipped: {OCTAVIA} does not exist")
    bench = stack.enter_context(opened(workers(setup, "operations", neutron), 1))
    client = started("drivers_end", "bus", config=str(bench.config))
    sides[_BUS] = Side(client, servers[4:])
    sides[_HAND] = Side(started("hand_end", "hand"), servers[6:])
    return sides


def rows(found: Found) -> list[Row]:
    """Return the table: each operation of networker, and beside it the others."""
    made = [
        row
        for operation in (*PARTS, *WHOLE)
        if operation.what
        for row in compared(operation, found[operation.what])
    ]
    return made + list(plugged(found))


def compared(
    operation: Operation, sides: Mapping[str, Sequence[Taken]]
) -> Iterator[Row]:
    """Return the row of networker, and those of the others with ratios to Octavia."""
    ours, theirs = sides[_NETWORKER], sides.get(_OCTAVIA)
    yield _row(f"{operation.what}: {_NETWORKER}", ours, operation.most)
    if theirs:
        row = _row(f"{operation.what}: {_OCTAVIA}", theirs, None)
        row = _to_octavia(row, _NETWORKER, ours, theirs)
        share = operation.share
        limit = Limit(most=share, of_ratio=True) if share else None
        yield dataclasses.replace(row, limit=limit)
    for name in _WHOLE_ONLY:
        if other := sides.get(name):
            row = _row(f"{operation.what}: {name}", other, None)
            yield _to_octavia(row, name, other, theirs) if theirs else row


def _to_octavia(
    row: Row, name: str, mine: Sequence[Taken], theirs: Sequence[Taken]
) -> Row:
    return dataclasses.replace(
        row,
        against=f"{name} / {_OCTAVIA}",
        ratios=ratios(_milliseconds(mine), _milliseconds(theirs)),
    )


def plugged(found: Found) -> Iterator[Row]:
    """Return the rows of one amphora and many, which may not take more waves."""
    one, many = (found[what][_NETWORKER] for what in PLUGS)
    yield _row(PLUGS[0], one, (4, 3))
    yield _row(PLUGS[1], many, (3 + _MANY, counted(one).waves))


def _row(what: str, taken: Sequence[Taken], most: tuple[int, int] | None) -> Row:
    asked = counted(taken)
    row = Row(what, "ms", _milliseconds(taken), most=most)
    if not asked.requests:
        return row  # a client, whose worker makes them
    notes = [f"{asked.polls} polls"] if asked.polls else []
    notes += [asked.kinds] if most else []
    return dataclasses.replace(
        row, asked=(asked.requests, asked.waves), note="; ".join(notes)
    )


def _milliseconds(taken: Sequence[Taken]) -> list[float]:
    return [1000 * one.seconds for one in taken]
