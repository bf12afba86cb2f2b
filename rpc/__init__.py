# SPDX-License-Identifier: Apache-2.0
"""The bus: the interface at a distance."""

from networker.rpc.client import Client, Reply, connect

__all__ = ["Client", "Reply", "connect"]
