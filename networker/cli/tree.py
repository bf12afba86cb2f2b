# SPDX-License-Identifier: Apache-2.0
"""Print where the time of a call went: its spans as a tree."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence

from networker._text import printable
from networker.spans import LONGEST, MOST, Record


def lines(spans: Sequence[Record]) -> Iterator[str]:
    """Return the lines that show spans: when each began, how long it took, and what it was.

    A span whose parent is not among them is shown beside the first one.

    :param spans: of one call; their texts may be anything
    """
    known = {span.span_id for span in spans}
    below: dict[str | None, list[Record]] = collections.defaultdict(list)
    for span in sorted(spans, key=lambda span: (span.began, span.ended)):
        below[span.parent_id if span.parent_id in known else None].append(span)
    if not below[None]:
        return
    first = below[None][0].began
    yield "  begins at      takes"
    for root in below.pop(None):
        yield from _shown(root, first, "", "", below)


def _shown(
    span: Record,
    first: float,
    before: str,
    after: str,
    below: dict[str | None, list[Record]],
) -> Iterator[str]:
    """Return the lines of a span and of all that is a part of it.

    :param before: what stands before its name
    :param after: what stands before the names of its parts
    """
    took = f"{span.began - first:9.3f} s {span.ended - span.began:8.3f} s"
    yield f"{took}  {before}{_text(span)}"
    # They are taken out, so that what refers to itself ends.
    parts = below.pop(span.span_id, [])
    for part in parts:
        last = part is parts[-1]
        here, further = ("└─ ", "   ") if last else ("├─ ", "│  ")
        yield from _shown(part, first, after + here, after + further, below)


def _text(span: Record) -> str:
    about = span.attributes
    words = [str(about.get("networker.step", span.name))]
    if "messaging.client.id" in about:
        words.append(f"in {about['messaging.client.id']}")
    elif "openstack.request_id" in about:
        words.append(str(about["openstack.request_id"]))
    again = about.get("http.request.resend_count")
    if again:
        words.append(f"(resent, {again})")
    if span.error:
        words.append(f"-> {span.error}")
    return printable("  ".join(words), 2 * LONGEST)


def lacks(spans: Sequence[Record]) -> str | None:
    """Return what is to be said of spans that are not there; None if all are."""
    if len(spans) == 1:
        return "no worker has told its spans: none has answered, or it is an older one"
    if len(spans) > MOST:
        return f"a worker tells no more than {MOST} spans"
    return None
