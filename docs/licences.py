# SPDX-License-Identifier: Apache-2.0
"""Write docs/licences.md, the licences of what is installed; ``make docs`` runs it."""

from __future__ import annotations

import collections
import pathlib
import re
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement

PAGE = pathlib.Path(__file__).with_name("licences.md")
#: Those with which a program under Apache-2.0 can be shipped. BSD is one of two or three
#: clauses, as the package says no more.
PERMITTED = {
    "Apache-2.0",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "LicenseRef-Repoze-BSD-derived",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "PSF-2.0",
}
_EXTRAS = ("console", "traces")
#: How packages name theirs that do not use SPDX's names.
_NAMES = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "OSI Approved": "",
}
_TEXT = """# Licences

networker is under Apache-2.0. `pip install networker[console,traces]` installs these as well,
each under a licence that a distributor can ship with it; `make docs` writes this page from what
the packages say, and a test fails where one says nothing or something else. Octavia, for its
adapter, is under Apache-2.0.

| licence | packages |
|---|---|
"""


def found() -> dict[str, str]:
    """Return of each package that networker needs its licence, as SPDX writes it."""
    return {
        name: _licence(metadata.metadata(name))
        for name in sorted(_needed())
        if name != "networker"
    }


def parts(licence: str) -> list[str]:
    """Return the licences that an expression of SPDX names."""
    return re.split(r" (?:AND|OR) ", licence)


def _needed() -> set[str]:
    seen: set[tuple[str, str]] = set()
    waiting = [("networker", extra) for extra in ("", *_EXTRAS)]
    while waiting:
        each = waiting.pop()
        if each not in seen:
            seen.add(each)
            waiting += _requirements(*each)
    return {name for name, _ in seen}


def _requirements(name: str, extra: str) -> Iterator[tuple[str, str]]:
    for line in metadata.requires(name) or []:
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            key = re.sub(r"[-_.]+", "-", needed.name).lower()
            for more in ("", *needed.extras):
                yield key, more


def _licence(about: metadata.PackageMetadata) -> str:
    said = about.get("License-Expression") or about.get("License") or ""
    if not said or said in ("BSD License", "UNKNOWN"):
        classifiers = about.get_all("Classifier") or []
        named = [
            line.rpartition(" :: ")[2]
            for line in classifiers
            if line.startswith("License :: ")
        ]
        said = next((name for name in reversed(named) if _NAMES.get(name, name)), "")
    return _NAMES.get(said, said)


def main() -> None:
    """Write the page."""
    by_licence: dict[str, list[str]] = collections.defaultdict(list)
    for name, licence in found().items():
        by_licence[licence].append(name)
    rows = [
        f"| {licence} | {', '.join(names)} |\n"
        for licence, names in sorted(by_licence.items())
    ]
    PAGE.write_text(_TEXT + "".join(rows))


if __name__ == "__main__":
    main()
