# SPDX-License-Identifier: Apache-2.0
"""A strict software network in one SQLite file, to develop and test against."""

from networker.drivers.sandbox.errors import SandboxError, TopologyError

__all__ = ["SandboxError", "TopologyError"]
