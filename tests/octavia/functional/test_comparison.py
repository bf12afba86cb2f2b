# SPDX-License-Identifier: Apache-2.0
"""The comparison of Octavia's tests with and without networker."""

from __future__ import annotations

from tests.octavia.functional.__main__ import Run, differences, remembered, report


def ended(changed: dict[str, str] | None = None) -> Run:
    """Return a run in which all tests passed but those of the baseline, and `changed`."""
    names = [f"test_{number}" for number in range(949)]
    skipped = {"test_quotas.py::TestQuotas::test_get_all_limited": "skipped"}
    return Run(
        dict.fromkeys(names, "passed") | skipped | (changed or {}), {"get_port": 1}
    )


def test_equal_ends_are_success(capsys):
    """A run that ended as the baseline did has no differences, and says so."""
    now = ended()
    assert report(remembered(now), now)
    assert "tests that end differently: 0" in capsys.readouterr().out


def test_a_difference_is_told_and_fails(capsys):
    """A test that fails with networker only is named, and is no success."""
    now = ended({"test_7": "failed"})
    assert list(differences(remembered(now), now)) == [("test_7", "passed", "failed")]
    assert not report(remembered(now), now)
    assert "test_7: passed without, failed with: WHY?" in capsys.readouterr().out


def test_a_test_that_is_missing_is_a_difference():
    """A run that leaves out a test is not taken for one without differences."""
    now = ended()
    fewer = Run({name: how for name, how in now.outcomes.items() if name != "test_7"})
    assert list(differences(now, fewer)) == [("test_7", "passed", "missing")]
    assert not report(remembered(fewer), fewer)
