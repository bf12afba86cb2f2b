# SPDX-License-Identifier: Apache-2.0
"""How a process of networker's own logs."""

from __future__ import annotations

import logging

from oslo_config import cfg
from oslo_log import log

from networker._text import printable

#: Libraries that would log every message, request or reconnection of theirs.
_QUIET = {
    "amqp": "ERROR",
    "keystoneauth": "WARNING",
    "openstack": "WARNING",
    "oslo.messaging": "INFO",
    "oslo_messaging": "INFO",
    "stevedore": "ERROR",
    "taskflow": "WARNING",
    "urllib3": "WARNING",
}


class Record(logging.LogRecord):
    """What is logged at once, in one line whatever a caller or a cloud has put into it."""

    def getMessage(self) -> str:  # noqa: N802 - Python's
        """Return the text, with line ends and the like escaped."""
        text = super().getMessage()
        return printable(text, len(text))

    @property
    def error_summary(self) -> str:
        """What oslo.log adds to the line of an exception: its text."""
        return str(vars(self).get("error_summary", ""))

    @error_summary.setter
    def error_summary(self, text: str) -> None:
        vars(self)["error_summary"] = printable(text, len(text))


def quieten() -> None:
    """Let libraries tell what matters, unless a configuration says otherwise.

    It has no effect on a configuration that has been read already.
    """
    log.set_defaults(default_log_levels=[f"{k}={v}" for k, v in _QUIET.items()])


def setup(conf: cfg.ConfigOpts) -> None:
    """Log as a configuration says.

    :raises oslo_config.cfg.Error: it cannot be done; the message says why
    """
    logging.setLogRecordFactory(Record)
    try:
        log.setup(conf, "networker")
    except log.LogConfigError as error:
        raise cfg.Error(str(error)) from error
    except OSError as error:
        raise cfg.Error(f"the log cannot be written: {error}") from error
    except RuntimeError as error:  # the only thing that oslo.log itself needs
        raise cfg.Error(
            f"[DEFAULT] use_journal: {error}; install systemd-python"
        ) from error
