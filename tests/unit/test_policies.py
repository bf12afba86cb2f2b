# SPDX-License-Identifier: Apache-2.0
"""Which policies of the broker break a promise, and in which words that is said."""

from __future__ import annotations

import pytest

from networker.rpc.rabbitmq.policies import (
    REPLIES,
    Expectations,
    Policy,
    Setting,
    effective,
    judge,
)

PLAN = Expectations(
    topic="networker",
    call_timeout=60.0,
    pool_timeout=30.0,
    limit=8,
    outcomes="networker.outcomes.info",
)


def policy(definition, pattern=".*", kind="policy", priority=0, applies_to="queues"):
    """Make a policy that is named like its kind and priority."""
    name = f"{kind[0]}{priority}"
    return Policy(kind, name, pattern, applies_to, priority, definition)


def said(queue, **values):
    """Judge a queue with settings of one policy."""
    settings = {
        k.replace("_", "-"): Setting(v, "policy 'p'") for k, v in values.items()
    }
    return judge(PLAN, queue, settings)


@pytest.mark.parametrize(
    ("queue", "setting", "text"),
    [
        ("networker", {"message_ttl": 600_000}, "put aside in networker.dead"),
        ("networker", {"expires": 3_600_000}, "lost when no worker listens for 3600 s"),
        ("networker", {"max_length": 10}, "refused"),
        ("networker", {"max_length_bytes": 10}, "refused"),
        ("networker", {"delivery_limit": 2}, "after 2 deliveries instead of 8"),
        ("networker.calls", {"message_ttl": 59_000}, "longer than 59 s are lost"),
        ("networker.calls", {"expires": 29_000}, "before pool_timeout"),
        ("networker.calls", {"max_length": 10}, "not told"),
        ("networker.dead", {"message_ttl": 1}, "lost after 0.001 s"),
        ("networker.dead", {"expires": 1000}, "lost when nobody looks for 1 s"),
        ("networker.dead", {"max_length": 10}, "the oldest first"),
        ("networker.outcomes.info", {"message_ttl": 1000}, "nobody takes for 1 s"),
        ("networker.outcomes.info", {"expires": 1000}, "nobody takes them for 1 s"),
        ("networker.outcomes.info", {"max_length": 9}, "the oldest first"),
        (
            "networker.outcomes.info",
            {"max_length": 9, "overflow": "reject-publish"},
            "beyond it are refused",
        ),
        (REPLIES, {"message_ttl": 1000}, "answers that wait longer than 1 s"),
        (REPLIES, {"max_length": 1}, "answers beyond it are lost"),
    ],
)
def test_a_broken_promise_is_one_line_that_names_policy_queue_and_harm(
    queue, setting, text
):
    (line,) = said(queue, **setting)
    shown = "reply_*" if queue == REPLIES else queue
    key = next(iter(setting)).replace("_", "-")
    assert line.startswith(f"policy 'p' sets {key} = ")
    assert f" on {shown}: " in line
    assert text in line


@pytest.mark.parametrize(
    ("queue", "setting"),
    [
        ("networker", {"delivery_limit": 8}),
        ("networker", {"queue_mode": "lazy"}),
        ("networker", {"ha_mode": "all", "ha_sync_mode": "automatic"}),
        ("networker.calls", {"message_ttl": 60_000}),
        ("networker.calls", {"expires": 30_000}),
        ("networker.calls", {"delivery_limit": 1}),
        (REPLIES, {"message_ttl": 600_000}),
        (REPLIES, {"expires": 1000}),
        (REPLIES, {"overflow": "reject-publish"}),
    ],
)
def test_policies_that_do_no_harm_are_left_alone(queue, setting):
    assert said(queue, **setting) == []


def test_the_policy_with_the_highest_priority_counts_alone():
    low = policy({"message-ttl": 1, "expires": 2}, priority=1)
    high = policy({"message-ttl": 3}, priority=5)
    assert effective([high, low], "networker") == {
        "message-ttl": Setting(3, "policy 'p5'")
    }


def test_of_a_users_and_an_operators_policy_the_lower_limit_counts():
    users = policy({"max-length": 5, "message-ttl": 9})
    operators = policy({"max-length": 7, "message-ttl": 4}, kind="operator policy")
    assert effective([users, operators], "networker") == {
        "max-length": Setting(5, "policy 'p0'"),
        "message-ttl": Setting(4, "operator policy 'o0'"),
    }


@pytest.mark.parametrize(
    ("applies_to", "queue_type", "wanted"),
    [
        ("all", "quorum", True),
        ("queues", None, True),
        ("quorum_queues", "quorum", True),
        ("quorum_queues", "classic", False),
        ("classic_queues", None, True),
        ("exchanges", None, False),
        ("streams", "quorum", False),
    ],
)
def test_a_policy_is_for_some_kinds_of_things(applies_to, queue_type, wanted):
    one = policy({}, pattern="^net", applies_to=applies_to)
    assert one.applies("networker", queue_type) is wanted


@pytest.mark.parametrize(("pattern", "wanted"), [("work", True), ("^work", False)])
def test_a_pattern_matches_anywhere_unless_it_says_otherwise(pattern, wanted):
    assert policy({}, pattern=pattern).applies("networker", None) is wanted


def test_a_pattern_that_cannot_be_read_matches_nothing():
    assert not policy({}, pattern="(?|x").applies("networker", None)
