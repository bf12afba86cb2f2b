# SPDX-License-Identifier: Apache-2.0
"""How many files one has to read to follow a call to the cloud."""

from __future__ import annotations

import pathlib
import re

import pytest

from networker.context import Context
from tests import trace
from tests.faults.bench import benches

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "plug-vip.md"

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


@pytest.fixture(scope="module")
def plug_vip(tmp_path_factory):
    """The way of a plug_vip of one amphora."""
    with benches(tmp_path_factory.mktemp("trace"), 1) as (bench,):
        Context().update_store()
        return trace.plug_vip(bench)


def test_all_requests_are_seen(plug_vip):
    """All of them are there, up to the one that gives the port to the server."""
    assert len(plug_vip.requests) == 7
    assert any(one.endswith("/os-interface") for one in plug_vip.requests)


def test_few_files_are_entered(plug_vip):
    """A method can be followed to the cloud without losing the way."""
    assert len(plug_vip.files) <= 18, plug_vip.files
    assert plug_vip.changes <= 150


def test_a_request_is_in_one_place(plug_vip):
    """Below the API there is a session, and nothing else."""
    assert len(plug_vip.changes_of_requests()) == 7
    assert max(plug_vip.changes_of_requests()) <= 3


def test_the_page_has_the_way(plug_vip):
    """Each file that is entered is told of, and no more than these are numbered."""
    text = PAGE.read_text()
    numbered = re.findall(r"^\d+\. `(drivers/[\w/.]+)`", text, re.MULTILINE)
    assert sorted(numbered) == sorted(plug_vip.files)
