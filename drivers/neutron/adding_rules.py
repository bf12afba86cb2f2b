# SPDX-License-Identifier: Apache-2.0
"""Rules added to a security group, in requests of bounded size.

Neutron takes some 50 ms for each rule, so that one request for hundreds is answered after
the time that a caller has, and carried out all the same. What is in doubt is therefore at
most one batch; and it is asked for once more, also after the deadline: Neutron answers that
when it is done with the first request, and then the batch is there or is not.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from networker.drivers.deadline import require_time
from networker.drivers.flow import may_undo, without_deadline
from networker.drivers.neutron import rule_plans
from networker.drivers.neutron.errors import Refused, is_in_doubt
from networker.drivers.neutron.patience import time_is_up
from networker.drivers.neutron.rule_plans import Fields
from networker.drivers.neutron.security_groups import SecurityGroups
from networker.drivers.rules import Rule
from networker.exceptions import CloudUnavailable

#: How many rules are added by one request.
BATCH = 50
#: How often a batch is added that others add at the same time.
_TRIES = 5


@dataclasses.dataclass(frozen=True)
class Adding:
    """Adds rules to one group.

    :param groups: the groups
    :param group_id: which one
    :param mark: the description of the rules
    :param added: is given what was added, or found with that mark
    """

    groups: SecurityGroups
    group_id: str
    mark: str
    added: set[Fields]

    def add(self, missing: Iterable[Fields], *, shared: bool) -> bool:
        """Add rules, and tell whether nobody else did.

        :param shared: whether it is known already that another call adds some, too; else
            all that is left is left for later when it turns out
        """
        alone = True
        for batch in _batches(sorted(missing)):
            alone = self._add(set(batch)) and alone
            if not (alone or shared):
                break
        return alone

    def _add(self, wanted: set[Fields]) -> bool:
        alone = True
        for left in reversed(range(_TRIES)):
            # What is in doubt must not be more than has been asked for in time.
            require_time()
            try:
                self._post(wanted)
            except (Refused, CloudUnavailable) as error:
                exists = getattr(error, "kind", None) == "SecurityGroupRuleExists"
                if not (exists or is_in_doubt(error)):
                    raise
                own, others = self._found(wanted, error)
                # One rule that exists fails the whole request.
                if not (own or others) and not (exists and left):
                    raise
                alone = alone and not others
                wanted -= own | others
            else:
                self.added.update(wanted)
                return alone
            if not wanted:
                return alone
        return alone

    def _found(
        self, wanted: set[Fields], error: Refused | CloudUnavailable
    ) -> tuple[set[Fields], set[Fields]]:
        """Return which rules of a batch are there, its own and those of other calls.

        :param error: the answer
        """
        late = time_is_up() and may_undo()
        with without_deadline() if late else contextlib.nullcontext():
            if isinstance(error, CloudUnavailable):
                with contextlib.suppress(Refused, CloudUnavailable):
                    self._post(wanted)
            held = self.groups.get(self.group_id)["security_group_rules"]
        found = {k: v for k, v in rule_plans.known(held).items() if k in wanted}
        own = {k for k, rule in found.items() if rule["description"] == self.mark}
        self.added.update(own)
        return own, found.keys() - own

    def _post(self, wanted: Iterable[Fields]) -> None:
        requests = [
            {**Rule(*fields).request(self.group_id), "description": self.mark}
            for fields in sorted(wanted)
        ]
        body = {"security_group_rules": requests}
        self.groups.api.post("/security-group-rules", body)


def _batches(rules: Sequence[Fields]) -> Iterator[Sequence[Fields]]:
    for start in range(0, len(rules), BATCH):
        yield rules[start : start + BATCH]
