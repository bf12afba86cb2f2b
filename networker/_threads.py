# SPDX-License-Identifier: Apache-2.0
"""Imported first by networker's own processes: they use threads, never eventlet.

Importing oslo.messaging makes oslo.service choose its backend, which would be eventlet,
and futurist imports eventlet wherever it is installed. A controller makes this choice
for itself, so nothing that it imports from networker makes it.
"""

import sys

from oslo_service import backend

sys.modules["eventlet"] = None  # type: ignore[assignment]  # not importable, documented
backend.init_backend(backend.BackendType.THREADING)
