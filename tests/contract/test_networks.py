# SPDX-License-Identifier: Apache-2.0
"""The suite's tests of this name, in the settings of conftest.py."""

from networker.testing.contract.test_networks import *  # noqa: F403
