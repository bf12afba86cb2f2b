# SPDX-License-Identifier: Apache-2.0
"""What is shown of what others have sent has no secrets."""

from __future__ import annotations

import pytest

from networker.masking import masked, masked_text

SECRET = "s3cr3t-of-somebody"


@pytest.mark.parametrize(
    "content",
    [
        {"auth_token": SECRET},
        {"user": {"password": SECRET}},
        {"several": [{"auth_token": SECRET}, {"id": "port-1"}]},
        {"text": f"password={SECRET}"},
        {"context": SECRET},
        {"X-Auth-Token": SECRET},
    ],
)
def test_secrets_are_left_out(content):
    """Wherever a field is that has a secret, and in texts, it is replaced."""
    assert SECRET not in str(masked({"id": "port-1", **content}))


def test_what_an_operator_needs_is_shown():
    """Ids, addresses and names are as they were, and what was given is not changed."""
    content = {
        "load_balancer": {"id": "lb-1", "vip": {"ip_address": "192.0.2.1"}},
        "context": {"request_id": "req-1", "auth_token": SECRET},
        "count": 3,
    }
    shown = masked(content)
    assert shown["load_balancer"] == content["load_balancer"]
    assert shown["context"]["request_id"] == "req-1"
    assert shown["count"] == 3
    assert content["context"]["auth_token"] == SECRET  # type: ignore[index]


def test_a_text_of_which_nothing_is_known():
    """A body that is no request is shown without what is named as a secret."""
    shown = masked_text(f'{{"auth_token": "{SECRET}", "port_id": "port-1"}}')
    assert SECRET not in shown
    assert masked_text("hello") == "hello"
