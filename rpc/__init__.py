# SPDX-License-Identifier: Apache-2.0
"""The bus: the interface at a distance."""

import networker._eventlet  # noqa: F401 - before anything of oslo.messaging

# isort: split

from networker.rpc.client import Client, Reply, connect
from networker.rpc.outcomes import Outcome, outcomes

__all__ = ["Client", "Outcome", "Reply", "connect", "outcomes"]
