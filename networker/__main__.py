# SPDX-License-Identifier: Apache-2.0
"""The program ``networker``."""

from __future__ import annotations

import sys

from networker.testing.supervised import supervised


def run() -> int:
    """Import the command line, which takes a while, and run it."""
    from networker import cli

    return cli.main()


def main() -> int:
    """Run the command line; the demo so that a signal leaves nothing of it."""
    demo = "demo" in sys.argv[1:]
    return supervised(run, "networker-demo-") if demo else run()


if __name__ == "__main__":
    sys.exit(main())
