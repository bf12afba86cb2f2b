# SPDX-License-Identifier: Apache-2.0
"""What needs Octavia is collected where it is installed only: ``make test-octavia``."""

from __future__ import annotations

import importlib.util

HERE = ["functional", "unit"]

collect_ignore = [] if importlib.util.find_spec("octavia") else HERE
