# SPDX-License-Identifier: Apache-2.0
"""A private RabbitMQ node on loopback, for tests and demonstrations.

It needs Debian's package ``rabbitmq-server`` to be installed, but nothing of it to be
running: the node has its own directory, ports, cookie and name server, and all of it is
gone when the node is closed.

``NETWORKER_RABBITMQ_ROOT`` names the root directory of another installation, such as a
chroot of another release of Debian, with ``/proc``, ``/dev`` and the directory for
temporary files bound in it. Programs are then started by ``chroot``, which only root may.
``RABBITMQ_CONFIG_FILES``, if it is set, names files with further settings of the node, by
a pattern.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Self

import tenacity

_ROOT = "NETWORKER_RABBITMQ_ROOT"
_MORE = "RABBITMQ_CONFIG_FILES"
_HOME = pathlib.PurePosixPath("/usr/lib/rabbitmq")
_HOST = "127.0.0.1"
_PORTS = range(20000, 32768)
_NOT_DENIED = "failed_to_deny_deprecated_features"
#: What of a queue is the same in every release of RabbitMQ.
_COLUMNS = {
    "name",
    "durable",
    "consumers",
    "messages",
    "messages_ready",
    "messages_unacknowledged",
}
_LIST_QUEUES = """
case rabbit_amqqueue:info_all(<<"/">>, [{columns}]) of
    [] -> <<>>;
    Rows ->
        Text = fun ({{resource, _, _, Name}}) -> Name; (Value) -> io_lib:print(Value) end,
        Line = fun (Row) -> [lists:join("\\t", [Text(V) || {{_, V}} <- Row]), "\\n"] end,
        unicode:characters_to_binary(["{header}\\n" | lists:map(Line, Rows)])
end
"""
_FILES = {
    "conf.env": "",
    "enabled_plugins": "[].",
    # RabbitMQ looks the name of the machine up for every connection. A name service that
    # does not answer would hold up each of them for 5 s or more.
    "inetrc": '{lookup, [file]}.\n{host, {127,0,0,1}, ["localhost"]}.\n',
}


def installed() -> bool:
    """Tell whether a node can be started here."""
    return version() is not None and shutil.which("epmd", path=_path()) is not None


def version() -> str | None:
    """Return the release of RabbitMQ that is installed, such as 3.10.8; None if none is."""
    prefix = "rabbitmq_server-"
    found = [path.name for path in _inside(_HOME / "lib").glob(f"{prefix}*")]
    return found[0].removeprefix(prefix) if found else None


def _inside(path: pathlib.PurePosixPath | str) -> pathlib.Path:
    """Return where a file of the installation is, as seen from outside of it."""
    root = pathlib.Path(os.environ.get(_ROOT, "/"))
    return root / str(path).lstrip("/")


def _path() -> str:
    """Return where the installation has its programs, as seen from outside of it."""
    ours = os.environ["PATH"]
    return os.pathsep.join(str(_inside(part)) for part in ours.split(os.pathsep))


def _command(program: object, *arguments: str) -> list[str]:
    """Return the command that runs a program of the installation."""
    root = os.environ.get(_ROOT)
    return [*(["chroot", root] if root else []), str(program), *arguments]


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on.

    It is none of those that systems give to whoever connects: such a one can be taken
    before its program listens on it, or while a broker is down.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((_HOST, port))
            return port
    raise OSError(f"all ports from {_PORTS.start} to {_PORTS.stop - 1} are taken")


class Node:
    """A RabbitMQ node, started when it is made; a context manager that ends it.

    :param timeout: seconds until it has to listen
    :param name: of the node, before the ``@``
    :param beside: a node with whose name server and cookie this one starts, so that the
        two can form a cluster; None for its own
    :param plugins: to be enabled; ``rabbitmq_management`` listens on `management_port`
    :param settings: lines of a rabbitmq.conf
    :raises RuntimeError: RabbitMQ is not installed, or the node did not start; then the
        message has the end of its log
    """

    def __init__(
        self,
        timeout: float = 110.0,
        *,
        name: str = "networker",
        beside: Node | None = None,
        plugins: Sequence[str] = (),
        settings: str = "",
    ) -> None:
        if not installed():
            raise RuntimeError(
                f"there is no RabbitMQ in {_inside('/')}: install Debian's rabbitmq-server"
            )
        self.name = f"{name}@localhost"
        self.port, self.management_port = free_port(), free_port()
        self.suspended = False
        self._plugins, self._settings = plugins, settings
        self._dir = pathlib.Path(tempfile.mkdtemp(prefix="networker-rabbit-"))
        self._home: pathlib.Path = beside._home if beside else self._dir
        self._epmd_port: int = beside._epmd_port if beside else free_port()
        self._dist_port = free_port()
        self._epmd = None if beside else _name_server(self._epmd_port)
        self._server: subprocess.Popen[bytes] | None = None
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self.close)
            self.start(timeout)
            on_failure.pop_all()

    @property
    def url(self) -> str:
        """The transport_url of its default virtual host."""
        return self.url_of("")

    def url_of(self, virtual_host: str, login: str = "guest:guest") -> str:
        """Return a transport_url for a virtual host and ``user:password``."""
        return f"rabbit://{login}@{_HOST}:{self.port}/{virtual_host}"

    @property
    def version(self) -> str:
        """The release of RabbitMQ that it is, such as 3.10.8."""
        return version() or ""

    @property
    def pid(self) -> int | None:
        """The process id of the broker, None while it is down."""
        return self._server.pid if self._server else None

    def start(self, timeout: float = 110.0) -> None:
        """Start the broker, again after :meth:`stop`, and wait until it listens."""
        # RabbitMQ 4.0 does not start now and then after it was killed, where a deprecated
        # feature is denied: it believes that something uses it.
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_message(match=rf"(?s).*{_NOT_DENIED}"),
            stop=tenacity.stop_after_attempt(3),
            reraise=True,
        )
        attempts(self._start, timeout)

    def _start(self, timeout: float) -> None:
        with (self._dir / "out").open("ab") as out:
            self._server = subprocess.Popen(
                _command(_HOME / "bin/rabbitmq-server"),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(OSError),
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_delay(timeout),
        )
        try:
            attempts(self._connect)
        except tenacity.RetryError as error:
            log = (self._dir / "out").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"RabbitMQ did not start: {log}") from error

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the broker and wait for it; its queues stay on disk.

        RabbitMQ writes the names of quorum queues to disk some seconds after they are
        made, and a queue whose name is lost never works again. SIGKILL waits for that.
        """
        if self._server:
            if how == signal.SIGKILL:
                self.control("eval", "[dets:sync(Table) || Table <- dets:all()].")
            self._signal(how)
            self._server.wait()
        self._server = None

    def suspend(self) -> None:
        """Let the broker's processes stand still, with all connections open."""
        self._signal(signal.SIGSTOP)
        self.suspended = True

    def resume(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)
        self.suspended = False

    def _signal(self, how: signal.Signals) -> None:
        if self._server:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, how)

    def control(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` on it and return what it prints.

        What is asked most often is asked of the node directly, since each rabbitmqctl
        starts an Erlang machine of its own, which takes more than a second of a processor.
        """
        expression = _expression(arguments)
        if expression:
            return self._evaluate(expression)
        done = subprocess.run(
            _command(_HOME / "bin/rabbitmqctl", "-q", *arguments),
            env=self._environment(),
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout

    def _evaluate(self, expression: str) -> str:
        """Return the text that an Erlang expression has as its value on the node."""
        cookie = (self._home / ".erlang.cookie").read_text()
        done = subprocess.run(
            _command("erl_call", "-sname", self.name, "-c", cookie, "-e"),
            # As letters and digits only, so that nothing of it is escaped.
            input=f"binary_to_list(base64:encode({expression})).\n",
            env=self._environment(),
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        answer = re.fullmatch(r'\{ok, (?:"([^"]*)"|\[\])\}', done.stdout)
        if not answer:
            said = done.stdout + done.stderr
            raise subprocess.CalledProcessError(done.returncode, expression, said)
        return base64.b64decode(answer[1] or "").decode()

    def close(self) -> None:
        """End the broker and its name server, and remove its directory."""
        self.resume()
        self.stop()
        if self._epmd:
            self._epmd.terminate()
            self._epmd.wait()
        shutil.rmtree(self._dir, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _connect(self) -> None:
        if self._server and self._server.poll() is not None:
            raise RuntimeError((self._dir / "out").read_text(errors="replace")[-2000:])
        with socket.create_connection((_HOST, self.port), timeout=1) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            if not connection.recv(8):
                raise ConnectionError("the broker is not ready")

    def _environment(self) -> dict[str, str]:
        plugins, management = ", ".join(self._plugins), ""
        if "rabbitmq_management" in self._plugins:
            where = f"ip = {_HOST}", f"port = {self.management_port}"
            management = "\n".join(f"management.tcp.{one}" for one in where)
        config = f"{management}\n{self._settings}\n"
        files = {"enabled_plugins": f"[{plugins}].", "rabbit.conf": config}
        for name, text in {**_FILES, **files}.items():
            (self._dir / name).write_text(text)
        loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "ERL_INETRC": str(self._dir / "inetrc"),
            "ERL_CRASH_DUMP": str(self._dir / "erl_crash.dump"),
            "ERL_EPMD_ADDRESS": _HOST,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_CONF_ENV_FILE": str(self._dir / "conf.env"),
            "RABBITMQ_CONFIG_FILE": str(self._dir / "rabbit.conf"),
            # What the system's node is configured with is none of this one's business.
            _MORE: os.environ.get(_MORE, str(self._dir / "conf.d/*.conf")),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._dir / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self._dir / "data"),
            "RABBITMQ_LOG_BASE": str(self._dir / "log"),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_IP_ADDRESS": _HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": loopback,
            "RABBITMQ_CTL_ERL_ARGS": loopback,
        }


def _expression(arguments: Sequence[str]) -> str | None:
    """Return the Erlang expression for the text that rabbitmqctl would print.

    :returns: None for what only rabbitmqctl does
    """
    match arguments:
        case ["eval", expression]:
            value = expression.strip().removesuffix(".")
            return f'unicode:characters_to_binary(io_lib:format("~tp~n",[{value}]))'
        case ["list_queues", *columns] if columns and set(columns) <= _COLUMNS:
            names = ",".join(columns)
            return _LIST_QUEUES.format(columns=names, header=r"\t".join(columns))
    return None


def _name_server(port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        _command("epmd", "-port", str(port), "-address", _HOST),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
