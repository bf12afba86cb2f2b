# SPDX-License-Identifier: Apache-2.0
"""The options that callers and workers share, and how a configuration is read.

Functions take the configuration as an argument; no module of networker keeps one. The
options of [neutron] and [nova] are with their driver, since they need keystoneauth, which
a controller has no use for.
"""

from __future__ import annotations

import networker._eventlet  # noqa: F401 - before anything of oslo.messaging

# isort: split

import contextlib
import importlib
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata

import oslo_messaging
from oslo_config import cfg, types
from oslo_log import log

from networker import listening, strict

#: Bytes of a message that RabbitMQ 4 takes unless it is told otherwise.
MAX_MESSAGE_SIZE = 16 * 2**20

NETWORKER = cfg.OptGroup(
    "networker", title="The service", help="Workers, and how callers reach them."
)
SANDBOX = cfg.OptGroup(
    "sandbox", title="The sandbox driver", help="A software network in one SQLite file."
)
TASKFLOW = cfg.OptGroup(
    "taskflow", title="TaskFlow", help="How multi-step operations are run."
)


class _Listen(types.String):
    """An address at which workers can listen."""

    def __call__(self, value: object) -> str:
        text = str(super().__call__(value))
        if text:
            listening.parse(text)
        return text


networker_opts = [
    cfg.StrOpt(
        "driver",
        sample_default="neutron",
        help="Name of the network driver, from the entry points `networker.drivers`. "
        "`networker driver list` shows those that are installed. Workers need it, and "
        "callers do not.",
    ),
    cfg.IntOpt(
        "workers", default=2, min=1, max=256, help="Number of worker processes."
    ),
    cfg.IntOpt(
        "threads",
        default=16,
        min=1,
        max=1024,
        help="Calls that one worker process runs at the same time, and casts besides.",
    ),
    cfg.StrOpt(
        "host",
        sample_default="the host's name",
        help="What `networker status` and the like call the host of these workers. Set it "
        "where the names of hosts do not tell them apart, as in containers.",
    ),
    cfg.StrOpt(
        "transport_url",
        secret=True,
        help="The bus, as oslo.messaging writes it: rabbit://USER:PASSWORD@HOST:PORT/VHOST. "
        "[DEFAULT] transport_url where this is not set. Set it for a caller, such as "
        "Octavia, that has a bus of its own besides.",
    ),
    cfg.StrOpt(
        "management_url",
        secret=True,
        help="RabbitMQ's management interface, as http://USER:PASSWORD@HOST:15672, with a "
        "user that has the tag `management` and sees the virtual host. Where it is given, "
        "`networker config check`, `networker status` and the start of a worker say "
        "which policies of the broker break a promise.",
    ),
    cfg.StrOpt(
        "topic",
        default="networker",
        help="The topic that workers listen on. Callers and workers must agree on it.",
    ),
    cfg.StrOpt(
        "exchange",
        default="networker",
        help="The exchange of the topic. It is named on both ends, because a process "
        "may have changed the default one (control_exchange).",
    ),
    cfg.FloatOpt(
        "call_timeout",
        default=60.0,
        min=0.05,
        help="Seconds that a caller waits for an answer, unless it says otherwise. "
        "Detaching a port from a server can take minutes on a busy cloud.",
    ),
    cfg.StrOpt(
        "delivery",
        default="at-least-once",
        choices=[
            (
                "at-least-once",
                "a request stays on its queue until it is answered",
            ),
            (
                "at-most-once",
                "oslo.messaging's own driver: a worker that dies loses requests",
            ),
        ],
        help="How requests are delivered over RabbitMQ. Callers and workers must agree "
        "on it; to change it, stop them and delete the queue.",
    ),
    cfg.StrOpt(
        "calls",
        default="auto",
        choices=[
            (
                "auto",
                "transient for one host in transport_url, on its own node; else durable",
            ),
            (
                "transient",
                "in memory, on whichever node: sent again when the broker was restarted",
            ),
            ("durable", "like casts: also when one node of a cluster is lost"),
        ],
        help="How requests wait whose callers wait for the answer. A call need not outlive "
        "the broker, since its caller sends it again, so it need not be written to disk. "
        "Casts are always durable.",
    ),
    cfg.IntOpt(
        "max_message_size",
        default=MAX_MESSAGE_SIZE,
        min=2**16,
        help="Bytes that a message may have. Larger requests and answers are refused by "
        "whoever would send them, with an error for whoever waits, and larger messages "
        "that come nevertheless are not read. It must not be more than the broker's own "
        "max_message_size, which closes what sends more; callers and workers should agree.",
    ),
    cfg.FloatOpt(
        "pool_timeout",
        default=30.0,
        min=1.0,
        help="Seconds without any worker on the topic after which callers stop waiting. "
        "It should be longer than a restart of all workers takes.",
    ),
    cfg.Opt(
        "listen",
        type=_Listen(),
        sample_default="127.0.0.1:9191",
        help="Where the workers of this host tell by HTTP how they are: HOST:PORT, or the "
        "path of a Unix socket. There are /livez, /readyz, /metrics for Prometheus, and "
        "/state, what runs now, in JSON. Whoever can connect can read all of it, so let "
        "it be a loopback address, a Unix socket, or one that only operators reach. Not "
        "set, nothing is counted.",
    ),
    cfg.BoolOpt(
        "traces",
        default=False,
        help="Whether OpenTelemetry is told of spans: calls, how long they wait, what "
        "workers do, and what they ask of the cloud. It needs `networker[traces]`. Workers "
        "send them to where the environment variables OTEL_* say, by default to "
        "http://localhost:4318; callers give them to the tracer provider of their "
        "application.",
    ),
    cfg.BoolOpt(
        "notify",
        default=False,
        help="Whether workers publish how casts ended, as oslo.messaging notifications "
        "`networker.<method>.end` and `.error` on the topic `<topic>.outcomes`. Consume "
        "them, for instance with `networker.rpc.outcomes`: nothing else empties the "
        "queue.",
    ),
    cfg.BoolOpt(
        "forward_user_tokens",
        default=False,
        help="Whether reads on behalf of a user cross the bus: callers send the user's "
        "token, sealed with the first of `user_token_keys`, and workers read with it. "
        "It needs keys, and to be set for callers and workers alike; where it is not, "
        "such reads are refused.",
    ),
    cfg.ListOpt(
        "user_token_keys",
        default=[],
        secret=True,
        help="Keys that seal users' tokens, separated by commas. The first one seals, and "
        "all of them open, so that keys can be changed while callers and workers run. "
        'Make one with `python -c "from cryptography.fernet import Fernet; '
        'print(Fernet.generate_key().decode())"`, and keep it from everybody who may '
        "read what is on the broker.",
    ),
]

sandbox_opts = [
    cfg.StrOpt(
        "database",
        default="networker-sandbox.sqlite",
        help="File that holds the network. All worker processes share it; it is made "
        "from `topology` when it does not exist.",
    ),
    cfg.StrOpt(
        "topology",
        help="YAML file with the networks, subnets and servers that a new database "
        "begins with. The packaged one is used when this is not set.",
    ),
    cfg.FloatOpt(
        "latency",
        default=0.0,
        min=0.0,
        help="Seconds that every round trip to the pretended cloud takes.",
    ),
]

taskflow_opts = [
    cfg.StrOpt(
        "engine",
        default="parallel",
        choices=[
            ("parallel", "independent requests run at the same time"),
            ("serial", "one request after another, for debugging"),
        ],
        help="TaskFlow engine that runs multi-step operations.",
    ),
    cfg.IntOpt(
        "max_workers",
        default=32,
        min=1,
        max=256,
        help="Requests of multi-step operations that one worker process makes at the "
        "same time, over all its calls.",
    ),
]

_OWN: list[tuple[cfg.OptGroup, list[cfg.Opt]]] = [
    (NETWORKER, networker_opts),
    (SANDBOX, sandbox_opts),
    (TASKFLOW, taskflow_opts),
]

#: Options that oslo.messaging registers on the global configuration only, and reads from
#: whichever it is given: module, list of options, group.
_UNREGISTERED = [
    ("oslo_messaging._metrics.client", "oslo_messaging_metrics"),
    ("oslo_messaging._tracing.client", "oslo_messaging_tracing"),
]


def register(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """Register all options of networker, and return `conf`; repeating it is harmless."""
    for group, opts in _OWN:
        # A group keeps the overrides of its options, so each configuration needs its own.
        conf.register_group(cfg.OptGroup(group.name, group.title, group.help))
        conf.register_opts(opts, group.name)
    oslo_messaging.TransportURL.parse(conf, "fake:/")  # registers transport_url
    for module, name in _UNREGISTERED:
        with contextlib.suppress(ModuleNotFoundError):  # tracing came with 18.3
            conf.register_opts(getattr(importlib.import_module(module), name), name)
    return conf


def load(
    arguments: Sequence[str],
    conf: cfg.ConfigOpts | None = None,
    prog: str = "networker",
    about: str | None = None,
) -> cfg.ConfigOpts:
    """Read configuration files and options from the command line.

    :param arguments: such as ``["--config-file", "/etc/networker/networker.conf"]``
    :param conf: where to read them into; a new one if None
    :param prog: name of the program, for ``--help``
    :param about: what it does, for ``--help``
    :returns: the configuration, with all options registered
    :raises oslo_config.cfg.Error: a file is missing or malformed, or a value is wrong
    """
    conf = register(conf if conf is not None else cfg.ConfigOpts())
    log.register_options(conf)
    with _telling_errors(arguments, prog):
        conf(
            list(arguments),
            project="networker",
            prog=prog,
            version=metadata.version("networker"),
            description=about,
        )
    wrong = strict.values(conf)
    if wrong:
        raise cfg.Error("; ".join(wrong))
    return conf


@contextlib.contextmanager
def _telling_errors(arguments: Sequence[str], prog: str) -> Iterator[None]:
    """Raise what oslo.config and argparse print before they end the process."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            yield
    except SystemExit as ended:
        if not ended.code:  # after --help or --version
            raise
        lines = printed.getvalue().splitlines() or [f"exit code {ended.code}"]
        raise cfg.Error(lines[-1].removeprefix(f"{prog}: error: ")) from ended
    except UnicodeDecodeError as error:
        text = f"one of these files is not UTF-8: {error}"
        raise cfg.ConfigFileParseError(" ".join(arguments), text) from error
    sys.stderr.write(printed.getvalue())


def list_opts() -> Iterable[tuple[str, list[cfg.Opt]]]:
    """Return these options by group, for oslo-config-generator."""
    return [(group.name, opts) for group, opts in _OWN]
