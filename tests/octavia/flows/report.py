# SPDX-License-Identifier: Apache-2.0
"""What a run found, in a file and as a table."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any, Self

from rich.table import Table

from tests.octavia.flows.snapshot import Snapshot


@dataclasses.dataclass
class Result:
    """A flow that was performed.

    :param load_balancer: what it was performed on
    :param seconds: from the request to the end of Octavia's flow
    :param status: the load balancer's provisioning status afterwards
    :param wanted: the one that it should have
    :param error: what the flow failed with; empty if it did not
    :param snapshot: what the load balancer then has in the cloud
    """

    load_balancer: str
    flow: str
    seconds: float
    status: str
    wanted: str
    error: str
    snapshot: Snapshot

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.load_balancer}: {self.flow}"

    @property
    def succeeded(self) -> bool:
        """Whether the load balancer is as it should be."""
        return self.status == self.wanted and not self.error


@dataclasses.dataclass
class Report:
    """A whole run.

    :param versions: of what took part
    :param leftovers: what was still in the cloud when all load balancers were deleted
    """

    driver: str
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    results: list[Result] = dataclasses.field(default_factory=list)
    leftovers: Snapshot = dataclasses.field(default_factory=dict)
    seconds: float = 0.0

    def save(self, path: pathlib.Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: pathlib.Path) -> Self:
        """Read it from a file."""
        read: dict[str, Any] = json.loads(path.read_text())
        results = [Result(**result) for result in read.pop("results")]
        return cls(**read, results=results)

    @property
    def clean(self) -> bool:
        """Whether all flows succeeded, and left nothing."""
        return all(r.succeeded for r in self.results) and not self.left()

    def left(self) -> list[str]:
        """Name what was left."""
        return [name for kind in self.leftovers.values() for name in kind]

    def table(self) -> Table:
        """Show how the flows ended."""
        table = Table(title=f"{self.driver}: {self.seconds:.0f} s")
        for column in ("flow", "seconds", "ended", "error"):
            table.add_column(column)
        for result in self.results:
            colour = "green" if result.succeeded else "red"
            ended = f"[{colour}]{result.status}"
            first = result.error.partition("\n")[0]
            table.add_row(result.name, f"{result.seconds:.1f}", ended, first)
        table.add_row("left over", "", str(len(self.left())), ", ".join(self.left()))
        return table
