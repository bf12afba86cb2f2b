# SPDX-License-Identifier: Apache-2.0
"""What every experiment is given."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from tests.chaos import bench


@dataclasses.dataclass(frozen=True)
class Setup(bench.Setup):
    """See :class:`tests.chaos.bench.Setup`.

    :param rounds: how often everything is measured, in turn
    :param out: where what is kept goes
    :param shared: what one experiment has measured that another one needs as well
    """

    rounds: int
    out: pathlib.Path
    shared: dict[str, Any] = dataclasses.field(default_factory=dict)
