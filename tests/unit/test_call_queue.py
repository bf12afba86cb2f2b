# SPDX-License-Identifier: Apache-2.0
"""What is in the addresses by which RabbitMQ wants to be answered directly."""

from __future__ import annotations

import base64

import pytest

from networker.rpc.rabbitmq.call_queue import _node

_NAME = b"reply@67559076"
_REST = b"\0\0\4n\0\0\0\0k\x0b\xe6\xf3"


def address(pid: bytes, key: str = "qqhe1uBorOr5vkLZP8lsQQ==") -> str:
    """Return an address as RabbitMQ makes it."""
    return f"amq.rabbitmq.reply-to.{base64.b64encode(pid).decode()}.{key}"


@pytest.mark.parametrize(
    "pid",
    [
        b"\x83Xv\0\x0e" + _NAME + _REST,
        b"\x83Xd\0\x0e" + _NAME + _REST,
        b"\x83Xw\x0e" + _NAME + _REST,
        b"\x83gs\x0e" + _NAME + _REST[:9],
    ],
)
def test_the_nodes_name_is_read_in_each_form_that_erlang_writes(pid):
    assert _node(address(pid)) == "reply@67559076"


def test_an_address_of_rabbitmq_3_10_is_read():
    found = "g1h2AA5yZXBseUA2NzY2MjQ2MTIAAAbNAAAAAGsL5wI="
    whole = "g1h2AA5yZXBseUA2NzU1OTA3NgAABG4AAAAAawvm8w=="
    assert _node(f"amq.rabbitmq.reply-to.{whole}.x==") == "reply@67559076"
    assert _node(f"amq.rabbitmq.reply-to.{found}.x==") == "reply@67662461"


@pytest.mark.parametrize(
    "other",
    ["", "amq.rabbitmq.reply-to.", "amq.rabbitmq.reply-to.?!.x", "temporary-queue-7"],
)
def test_what_is_no_such_address_names_no_node(other):
    assert _node(other) is None


@pytest.mark.parametrize(
    "pid", [b"", b"\x83", b"\x83X", b"\x83Xa\1", b"\x83Xv\0\0", b"l"]
)
def test_what_is_no_process_names_no_node(pid):
    assert _node(address(pid)) is None
