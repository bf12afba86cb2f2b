# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.octavia.flows``: run the flows, or compare two runs."""

from __future__ import annotations

from tests.octavia.flows.cli import main

main()
