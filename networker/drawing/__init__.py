# SPDX-License-Identifier: Apache-2.0
"""What a load balancer has on the network, and how it is drawn.

:mod:`~networker.drawing.survey` asks a driver through the interface, whichever it is, and
:mod:`~networker.drawing.text` and :mod:`~networker.drawing.svg` draw what was found.
"""

from __future__ import annotations

from networker.drawing.survey import Survey, survey
from networker.drawing.svg import svg
from networker.drawing.text import text

__all__ = ["Survey", "survey", "svg", "text"]
