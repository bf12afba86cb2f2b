# SPDX-License-Identifier: Apache-2.0
"""What must hold at the end of each schedule: functions over the network's state."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from networker import exceptions
from networker.drivers import naming
from tests.faults.stage import difference
from tests.interleavings.meetings import Meeting
from tests.interleavings.scheduler import Actor, Ended, Endless
from tests.interleavings.schedules import LASTING

#: What a call is not to blame for that it does not return.
_STOPPED = ("kill", "lease")
#: What of a port is its owner's.
_OF_PORTS = (
    "name",
    "network_id",
    "project_id",
    "mac_address",
    "fixed_ips",
    "security_groups",
    "allowed_address_pairs",
    "admin_state_up",
    "qos_policy_id",
)


@dataclasses.dataclass(frozen=True)
class Contents:
    """What exists on a network, as Neutron shows it.

    :param groups: each with the ids of its rules, and whether it is the service's own
    """

    ports: Sequence[Mapping[str, Any]]
    groups: Sequence[Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Ending:
    """What came of a schedule.

    :param meeting: who met
    :param actors: the calls, with what they returned or raised
    :param untouched: what existed at the beginning and no call alone touches
    :param after: what exists now
    :param picture: what exists now, in words
    :param serial: what would exist after calls one after the other, given their numbers
    :param gaps: what came between two halves of a deletion so that no call can see it: a
        port or a group was taken into use after Neutron looked whether it is, or compared
        its revision, and is deleted all the same. The next call mends that.
    :param then: what exists after a call more that meets nobody
    :param again: what exists after some of the calls, given their numbers, are run again
    :param overtaken: ports that were put into one group between the two halves of a change
        that puts them into another one, so that a call can be told that they are in a group
        in which they are not for long
    """

    meeting: Meeting
    actors: Sequence[Actor]
    untouched: Mapping[str, str]
    after: Contents
    picture: str
    serial: Callable[[Sequence[int]], set[str]]
    then: Callable[[str], str]
    again: Callable[[Sequence[int]], str]
    gaps: Sequence[str] = ()
    overtaken: Sequence[str] = ()

    def returned(self) -> list[int]:
        """Return the numbers of the calls that returned."""
        return [n for n, one in enumerate(self.actors) if one.error is None]

    def stopped(self) -> list[int]:
        """Return the numbers of the calls that were stopped.

        Nobody takes back what they did; their requests are delivered again.
        """
        return [
            number
            for number, one in enumerate(self.actors)
            if any(event in one.events for event in _STOPPED)
        ]

    def has_parted(self) -> bool:
        """Tell whether calls may have come to rely on different groups.

        Whose change is overtaken is not told. The one that overtook it sees that by the
        answer, and gives the port back if it can be only one other call's: not always if
        three meet, and not if the cloud does not tell it which groups there are.
        """
        return bool(self.overtaken) and (
            len(self.actors) > 2
            or any(
                event.endswith(LASTING) and one.refused == "GET"
                for one in self.actors
                for event in one.events
            )
        )

    def is_excused(self) -> bool:
        """Tell whether something may be left of calls that failed.

        A request that is done when nobody looks for it any more cannot be undone, and a
        call whose group has lost cannot delete it when the cloud refuses that for good. The
        next call finds both. Nor does a call delete a group that another one relies on.
        """
        return self.has_parted() or any(
            event == "later"
            # What takes the call back is a request, too.
            or (event.endswith(LASTING) and (number or one.refused == "DELETE"))
            for one in self.actors
            for number, event in enumerate(one.events)
        )


Rule = Callable[[Ending], str]


def errors_are_right(ending: Ending) -> str:
    """Calls raise the interface's exceptions, and end."""
    for one in ending.actors:
        error = one.error
        if error is None or isinstance(error, Ended):
            continue
        public = type(error).__module__ == exceptions.__name__
        ours = isinstance(error, exceptions.NetworkException) and public
        left = isinstance(error, exceptions.WorkerError) and "lease" in one.events
        if isinstance(error, Endless) or not (ours or left):
            return f"{one.name} raised {error!r}"
    return ""


def unharmed_calls_return(ending: Ending) -> str:
    """A call to which nothing happened returns, whatever becomes of another."""
    if not ending.meeting.atomic:
        return ""
    for one in ending.actors:
        if one.error is not None and not one.events:
            return f"nothing happened to {one.name}, but it raised {one.error!r}"
    return ""


def copies_agree(ending: Ending) -> str:
    """Copies that returned have returned the same."""
    if not ending.meeting.same or (len(ending.actors) > 2 and ending.has_parted()):
        return ""
    results = [ending.actors[n].result for n in ending.returned()]
    for other in results[1:]:
        if other != results[0]:
            return f"one returned {results[0]!r}\nanother    {other!r}"
    return ""


def returned_is_there(ending: Ending) -> str:
    """What is there is what the calls that returned make, and nothing of the others."""
    if not ending.meeting.atomic:
        return ""
    returned = ending.returned()
    more = bool(ending.stopped()) or ending.is_excused()
    failed = len(returned) < len(ending.actors)
    if failed and not ending.meeting.undone and not ending.meeting.same:
        # A removal is half done; the next one finishes it.
        return ""
    if not returned and (more or not ending.meeting.undone):
        return ""
    wanted = ending.serial(returned)
    if ending.picture in wanted:
        return ""
    # What a call that was stopped has changed is finished when it is delivered again.
    all_of_them = ending.serial(range(len(ending.actors)))
    pairs = itertools.product(wanted, all_of_them)
    if more and any(_contains(ending.picture, one, other) for one, other in pairs):
        return ""
    return difference(min(wanted), ending.picture)


def delivered_again_ends_right(ending: Ending) -> str:
    """Calls that were stopped, run again, leave all as if nobody had been stopped.

    Where copies meet, :func:`repeating_ends_right` says so of any call.
    """
    stopped, meeting = ending.stopped(), ending.meeting
    done = {*ending.returned(), *stopped}
    failed = len(done) < len(ending.actors)
    if (
        not (stopped and meeting.atomic)
        or meeting.same
        or (failed and not meeting.undone)
    ):
        return ""
    end, wanted = ending.again(stopped), ending.serial(sorted(done))
    # What nobody uses may be left until the VIP is deallocated.
    if any(end == one or _contains(end, one) for one in wanted):
        return ""
    return f"delivered again:\n{difference(min(wanted), end)}"


def others_keep_theirs(ending: Ending) -> str:
    """No port, group, rule, pair or address is taken that no call alone touches."""
    now = things(ending.after)
    lost = [
        difference(thing, now.get(key, "nothing"))
        for key, thing in ending.untouched.items()
        if now.get(key) != thing
    ]
    return f"taken: {lost}" if lost else ""


def nothing_is_doubled(ending: Ending) -> str:
    """There is one of each thing for each purpose."""
    if ending.stopped() or ending.is_excused():
        return ""
    doubled = [str(one) for one, count in _purposes(ending.after).items() if count > 1]
    return f"doubled: {doubled}" if doubled else ""


def repeating_ends_right(ending: Ending) -> str:
    """The calls, repeated one after the other, leave what they should."""
    meeting = ending.meeting
    if not (meeting.atomic and meeting.same):
        return ""
    end, wanted = ending.then("repeated"), ending.serial([0])
    # What nobody uses may be left until the VIP is deallocated.
    more = ending.is_excused() or ending.stopped()
    if more and any(_contains(end, one) for one in wanted):
        return ""
    return "" if end in wanted else f"repeated:\n{difference(min(wanted), end)}"


def inverse_leaves_nothing(ending: Ending) -> str:
    """After the inverse everything is as it was before, to the last item."""
    end, wanted = ending.then("taken back"), ending.serial([-1])
    return "" if end in wanted else f"taken back:\n{difference(min(wanted), end)}"


RULES: tuple[Rule, ...] = (
    errors_are_right,
    unharmed_calls_return,
    copies_agree,
    returned_is_there,
    others_keep_theirs,
    nothing_is_doubled,
    delivered_again_ends_right,
    repeating_ends_right,
    inverse_leaves_nothing,
)


#: What holds even where something came between the two halves of a deletion.
AFTER_A_GAP: tuple[Rule, ...] = (
    others_keep_theirs,
    repeating_ends_right,
    inverse_leaves_nothing,
)


#: What holds where two steps fail and a call for it, see :func:`_rules`.
AFTER_TWO_EVENTS: tuple[Rule, ...] = (
    errors_are_right,
    unharmed_calls_return,
    copies_agree,
    others_keep_theirs,
    delivered_again_ends_right,
    repeating_ends_right,
    inverse_leaves_nothing,
)


def _rules(ending: Ending) -> tuple[Rule, ...]:
    if ending.gaps:
        return AFTER_A_GAP
    events = sum(len(one.events) for one in ending.actors)
    failed = [one for one in ending.actors if one.error is not None]
    # Of two calls that fail, each leaves what the other one has come to rely on, before it
    # fails, too. A call to which two things happen can fail at the first, and be kept by
    # the second from taking back what it did. In both cases the next call or the inverse
    # ends it. Where a call only had to try again, all of it holds.
    lost = len(failed) > 1 or any(len(one.events) > 1 for one in failed)
    return AFTER_TWO_EVENTS if events > 1 and lost else RULES


def broken(ending: Ending) -> tuple[str, str] | None:
    """Return the name of the first rule that does not hold, and what is wrong."""
    for rule in _rules(ending):
        wrong = rule(ending)
        if wrong:
            return rule.__name__, wrong
    return None


def _contains(whole: str, part: str, other: str = "") -> bool:
    """Tell whether everything of one picture is in another.

    :param other: a third one; what is not in it need not be
    """
    if not whole.startswith("{"):
        return False
    found, wanted, besides = (json.loads(text or part) for text in (whole, part, other))
    pairs = [(found[k], wanted[k], besides[k]) for k in ("ports", "groups")]
    pairs += [
        (found["servers"][server], held, besides["servers"].get(server, []))
        for server, held in wanted["servers"].items()
    ]
    count = collections.Counter
    return all(not (count(b) & count(c)) - count(a) for a, b, c in pairs)


def things(contents: Contents) -> dict[str, str]:
    """Return everything that there is, by ids, in a form that can be compared."""
    found = {}
    for port in contents.ports:
        shown = {name: port[name] for name in (*_OF_PORTS, "device_id")}
        found[f"port {port['id']}"] = json.dumps(shown, sort_keys=True)
    for group in contents.groups:
        found[f"group {group['id']}"] = json.dumps([group["name"], group["rules"]])
    return found


def _purposes(contents: Contents) -> collections.Counter[tuple[Any, ...]]:
    found: collections.Counter[tuple[Any, ...]] = collections.Counter()
    for port in contents.ports:
        if str(port["name"]).startswith(naming.OURS):
            found["port", port["name"], port["network_id"]] += 1
    for group in contents.groups:
        if group["ours"] and group["name"].startswith(naming.DEVICE):
            found["group", group["name"]] += 1
        if len(set(group["rules"])) < len(group["rules"]):
            found["rules", group["name"]] += 2
    return found
