# SPDX-License-Identifier: Apache-2.0
"""``networker-status upgrade check``: whether the workers of this release could serve.

It is run with the new release's code and the present configuration, before workers are
restarted, as for other services of OpenStack. Which releases the callers have is not
looked at, since neither the broker nor a worker keeps that: callers of any earlier release
work with the workers of this one.
"""

from __future__ import annotations

import networker._threads  # noqa: F401 - before anything of oslo.messaging

# isort: split

import logging
import sys
from collections.abc import Callable, Sequence

from oslo_config import cfg
from oslo_upgradecheck import upgradecheck
from oslo_upgradecheck.upgradecheck import Code, Result

from networker import conf as options
from networker import exceptions, strict
from networker.rpc import contract
from networker.rpc.outcomes import OutcomePublisher
from networker.rpc.rabbitmq import broker, call_queue, policies
from networker.rpc.rabbitmq.messaging_driver import driver_of
from networker.rpc.rabbitmq.queues import calls_name
from networker.rpc.tokens import Tokens
from networker.rpc.transport import check, open_transport

_NAME = "networker-status"
ABOUT = (
    "Find out whether workers of this release could serve with the configuration and the "
    "broker that there are. Run it before the workers are restarted with the release. Exit "
    "codes: 0 they could; 1 something should be looked at; 2 something has to be mended "
    "first; 255 an error that was not expected."
)


class Checks(upgradecheck.UpgradeCommands):
    """What is checked; the worst result is the exit code.

    :param conf: after it was read
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def names(self) -> Result:
        """Look for options that this release does not know."""
        found = strict.unknown(self._conf)
        ours = [each.text for each in found if each.ours]
        if ours:
            return Result(Code.FAILURE, "; ".join(ours))
        return _warning([each.text for each in found])

    def outdated(self) -> Result:
        """Look for options that a later release will not know."""
        return _warning(strict.outdated(self._conf))

    def keys(self) -> Result:
        """Read the keys of users' tokens."""
        return _sound(lambda: Tokens(self._conf))

    def queues(self) -> Result:
        """Compare the queues and exchanges that there are with those of this release."""
        return _sound(self._queues)

    def _queues(self) -> None:
        check(open_transport(self._conf), contract.target(self._conf))
        if self._conf.networker.notify:
            OutcomePublisher(self._conf).check()

    def calls(self) -> Result:
        """Look whether calls can wait in memory, where they should."""
        return _sound(self._calls)

    def _calls(self) -> list[str]:
        transport = open_transport(self._conf)
        driver, topic = driver_of(transport), self._conf.networker.topic
        if not driver or not driver.transient:
            return []
        with (
            broker.connected(transport) as found,
            found.connection.channel() as channel,
        ):
            if not call_queue.left_over(channel, topic):
                return []
        name = calls_name(topic)
        where = f"--vhost '{broker.virtual_host(transport)}' '{name}'"
        text = (
            f"the queue {name} is left over from another release or configuration, so "
            "that calls are written to disk; delete it when no worker of that release "
            f"runs: rabbitmqctl delete_queue {where}"
        )
        return [text]

    def policies(self) -> Result:
        """Ask for the broker's policies, and whether they break a promise."""
        if not self._conf.networker.management_url:
            why = "not looked at: [networker] management_url is not set"
            return Result(Code.SUCCESS, why)
        return _sound(
            lambda: policies.complaints(self._conf, open_transport(self._conf))
        )

    _upgrade_checks = (
        ("Options of the configuration", names),
        ("Deprecated options", outdated),
        ("Keys of users' tokens", keys),
        ("Queues and exchanges", queues),
        ("Queue of calls", calls),
        ("Policies of the broker", policies),
    )


def _warning(lines: Sequence[str]) -> Result:
    return Result(Code.WARNING, "; ".join(lines)) if lines else Result(Code.SUCCESS)


def _sound(look: Callable[[], object]) -> Result:
    """Look; what is returned in a list is a warning, and what is raised a failure."""
    try:
        found = look()
    except (exceptions.BusUnavailable, ValueError, cfg.Error) as error:
        return Result(Code.FAILURE, " ".join(str(error).split()))
    return _warning(found if isinstance(found, list) else [])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``networker-status`` and return the exit code that oslo.upgradecheck defines."""
    given = sys.argv[1:] if arguments is None else arguments
    # What they warn of is among the results.
    for name in ("oslo_config", "amqp", "stevedore"):
        logging.getLogger(name).setLevel(logging.ERROR)
    conf = cfg.ConfigOpts()
    checks = Checks(conf)
    upgradecheck.register_cli_options(conf, checks)
    try:
        options.load(given, conf, _NAME, ABOUT)
    except (cfg.Error, ValueError, OSError) as error:
        # New workers would not start with it either.
        print(f"{_NAME}: {' '.join(str(error).split())}", file=sys.stderr)
        return int(Code.FAILURE)
    upgradecheck.CONF = conf  # as its own main does, which would not say what is wrong
    return int(upgradecheck.run(conf))
