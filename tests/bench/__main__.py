# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.bench``: run the benchmarks, and show what they measured."""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

from tests.bench.cli import main

main()
