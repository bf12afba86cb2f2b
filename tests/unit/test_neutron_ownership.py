# SPDX-License-Identifier: Apache-2.0
"""What is tried again, how often, and what is raised when that does not help."""

from __future__ import annotations

import pytest

from networker.drivers.neutron.api.errors import Refused
from networker.drivers.neutron.resources.ownership import (
    Again,
    Claimed,
    persist,
    persist_on,
    repeat_if_gone,
)
from networker.exceptions import CloudUnavailable
from tests.faults.bench import benches


class Trying:
    """Does not succeed until it was tried some times.

    :param needed: how often
    :param error: what is wrong until then
    """

    def __init__(self, needed: int, error: Exception) -> None:
        self.needed = needed
        self.error = error
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.tries < self.needed:
            raise self.error
        return "done"


def test_what_can_help_is_tried_again():
    """Its result is what the last try returned."""
    act = Trying(3, Again(Refused(orig_msg="overtaken")))
    assert persist(act) == "done"
    assert act.tries == 3


def test_the_error_of_the_last_try_is_raised():
    """It is raised as it was, with its cause: that tells what may have been done."""
    error = CloudUnavailable(orig_msg="no answer")
    error.__cause__ = cause = TimeoutError()
    act = Trying(99, Again(error))
    with pytest.raises(CloudUnavailable, match="no answer") as caught:
        persist(act, tries=4)
    assert caught.value is error
    assert caught.value.__cause__ is cause
    assert act.tries == 4


def test_another_error_ends_it():
    """What another try does not help is not tried again."""
    act = Trying(2, Refused(orig_msg="no"))
    with pytest.raises(Refused, match="no"):
        persist(act)
    assert act.tries == 1


def test_what_did_not_help_inside_is_not_tried_again_outside():
    """Tries do not multiply where something that is tried again is a part of it."""
    act = Trying(99, Again(Refused(orig_msg="overtaken")))
    with pytest.raises(Refused, match="overtaken"):
        persist(lambda: persist(act, tries=3), tries=3)
    assert act.tries == 3


def test_it_looks_before_each_other_try():
    """The first try is of what was seen already, and costs no look."""
    tried = []

    def act(seen):
        tried.append(seen)
        if len(tried) < 3:
            raise Again(Refused(orig_msg="overtaken"))

    looks = iter(["then", "now"])
    persist_on("before", act, lambda: next(looks))
    assert tried == ["before", "then", "now"]


def test_an_operation_begins_again_when_what_it_found_is_gone():
    """It finds, or makes, what there is then."""
    calls = []

    def call(relied):
        relied.add("group-1")
        calls.append(relied)
        if len(calls) == 1:
            text = "Security group group-1 does not exist"
            raise Refused(orig_msg=text, orig_code=404, kind="SecurityGroupNotFound")
        return "done"

    assert repeat_if_gone(call) == "done"
    assert len(calls) == 2


def test_an_operation_ends_when_something_else_is_gone():
    """What the caller named, and does not exist, is the caller's error."""
    calls = []

    def call(relied):
        relied.add("group-1")
        calls.append(relied)
        raise Refused(orig_msg="no port-1", orig_code=404, kind="PortNotFound")

    with pytest.raises(Refused, match="no port-1"):
        repeat_if_gone(call)
    assert len(calls) == 1


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_port_that_others_change_all_the_time(tmp_path):
    """A change that never comes first ends with an error that names the port."""
    with benches(tmp_path, 1) as (bench,):
        ours, theirs = bench.driver.cloud, bench.another()[0].cloud
        body = {"name": "users", "network_id": bench.world.vip_network_id}
        port = ours.network.post("/ports", {"port": body})["port"]
        names = iter(range(99))

        def overtake():
            # It changes the port, looks, changes it, and so on.
            if len(bench.wire.sent) % 2 == 0:
                theirs.ports.update(port["id"], {"name": f"theirs-{next(names)}"})

        bench.wire.begin()
        bench.wire.before_each = overtake
        with pytest.raises(Refused, match=f"{port['id']} was changed by others") as e:
            ours.ports.change(Claimed(port, made=False), lambda _: {"name": "ours"})
        assert e.value.orig_code == 412
        assert ours.ports.get(port["id"])["name"].startswith("theirs-")
