# SPDX-License-Identifier: Apache-2.0
"""``networker-worker`` as an operator runs it: processes, signals, exit codes."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
from concurrent import futures

import psutil
import pytest
import tenacity

from networker import exceptions, rpc
from networker.context import Context
from networker.drivers.sandbox.driver import SandboxDriver
from networker.models import VIP, LoadBalancer
from networker.testing import processes, rabbitmq
from tests.trees import workers_of

NOWHERE = "11111111-2222-4333-8444-555555555555"


def lookup(client: rpc.Client) -> str:
    """Make a call and return the worker that answered."""
    replies: list[rpc.Reply] = []
    with pytest.raises(exceptions.PortNotFound):
        client.with_options(observer=replies.append, timeout=30).get_port(NOWHERE)
    return replies[0].worker


def children(workers: processes.Workers) -> list[int]:
    return [child.pid for child in workers_of(workers.process.pid)]


def threads(workers: processes.Workers) -> int:
    """Count the threads of all worker processes."""
    return sum(psutil.Process(pid).num_threads() for pid in children(workers))


def eventually(condition, timeout=30):
    """Wait until a condition holds, and fail if it does not in time."""
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda held: not held),
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(timeout),
    )(condition)


def test_processes_share_the_load(configured):
    """Every worker process takes its part of many calls at once."""
    config = configured(sandbox={"latency": 0.05})
    with processes.serving(config) as (workers, client):
        with futures.ThreadPoolExecutor(8) as pool:
            served = list(pool.map(lookup, [client] * 64))
        by_pid = {int(name.rpartition(":")[2]) for name in served}
        assert by_pid == set(children(workers))


def test_sigterm_finishes_what_was_begun(configured):
    """A call that runs when the workers are told to stop is answered."""
    config = configured(sandbox={"latency": 2.0})
    with processes.serving(config) as (workers, client):
        begun = len(workers.log)
        idle = threads(workers)
        with futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(lookup, client)
            eventually(lambda: threads(workers) > idle)
            assert workers.terminate() == 0
            assert call.result()
        log = workers.log[begun:]
        assert log.count("drained") == 2
        assert "PortNotFound" in log


def test_nothing_is_lost_while_draining(configured):
    """Casts that are sent while a worker drains are run, by it or by the next one."""
    config = configured(networker={"workers": 1}, sandbox={"latency": 1.0})
    driver = SandboxDriver(processes.configuration(config))
    (network,) = [n for n in driver.backdoor.networks() if n.name == "vip-net"]
    wanted = {f"octavia-lb-{number}" for number in range(20)}
    with processes.serving(config) as (workers, client):
        idle = threads(workers)
        with futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(lookup, client)
            eventually(lambda: threads(workers) > idle)
            workers.process.send_signal(signal.SIGTERM)
            for number in range(20):
                vip = VIP(network_id=network.id)
                client.cast.allocate_vip(LoadBalancer(id=str(number), vip=vip))
            assert workers.process.wait(60) == 0
            assert call.result()
        with processes.serving(config):
            eventually(
                lambda: wanted <= {port.name for port in driver.backdoor.ports()}
            )


def test_a_killed_process_is_replaced(configured):
    """After kill -9 there are as many processes as before, and they serve."""
    with processes.serving(configured()) as (workers, client):
        victim, *_ = before = children(workers)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(set(children(workers)) - {victim}) == len(before))
        assert lookup(client)


def test_sighup_reloads_the_configuration(configured):
    """New processes come up with the changed options, under the same master."""
    config = configured()
    with processes.serving(config) as (workers, client):
        before = set(children(workers))
        text = config.read_text().replace("[sandbox]", "[sandbox]\nlatency = 0.4")
        config.write_text(text)
        workers.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(set(children(workers)) - before) == 2)
        eventually(lambda: not set(children(workers)) & before)
        assert lookup(client)
        durations = re.findall(r"get_port operation=.* ([\d.]+) s", workers.log)
        assert float(durations[-1]) >= 0.4


def test_a_controller_runs_without_eventlet(configured):
    """Neither connecting nor a call nor a cast imports it, where the process has not."""
    config = configured()
    code = f"""if True:
        import sys
        from networker import exceptions, rpc
        from networker.testing import processes
        with rpc.connect(processes.configuration({str(config)!r})) as client:
            client.cast.get_port("{NOWHERE}")
            try:
                client.with_options(timeout=60).get_port("{NOWHERE}")
            except exceptions.PortNotFound:
                print(sorted({{"eventlet", "greenlet"}} & sys.modules.keys()))
    """
    with processes.serving(config):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        )
    assert done.stdout == "[]\n"
    assert "Eventlet" not in done.stderr


def lines(workers: processes.Workers, begun: int, number: int) -> list[str]:
    """Wait for so many lines of calls that were logged since, and return them."""

    def found() -> list[str]:
        logged = workers.log[begun:].splitlines()
        return [line for line in logged if "get_port operation=" in line]

    eventually(lambda: len(found()) >= number)
    return found()


def test_one_line_for_each_call(configured):
    """The log has each call and cast once, and each id once in its line."""
    with processes.serving(configured()) as (workers, client):
        begun = len(workers.log)
        context = Context(request_id="req-7", global_request_id="req-8")
        asked = client.with_options(context=context, timeout=30)
        with pytest.raises(exceptions.PortNotFound):
            asked.get_port(NOWHERE)
        operation = asked.cast.get_port(NOWHERE)
        called, cast = lines(workers, begun, 2)
        for line in (called, cast):
            assert line.count("req-7") == line.count("req-8") == 1
            assert re.search(
                r" \[req-8 req-7 [- ]*\] get_port operation=\S{36} "
                rf"caller={socket.gethostname()}:\S+:{os.getpid()} \d+\.\d{{3}} s "
                rf"PortNotFound: port {NOWHERE} does not exist$",
                line,
            )
        assert cast.count(operation) == 1


def test_the_log_as_fields(configured):
    """With use_json every line is an object, and a call's is the same with keys."""
    config = configured(DEFAULT={"use_json": True})
    with processes.serving(config) as (workers, client):
        begun = len(workers.log)
        context = Context(request_id="req-7")
        with pytest.raises(exceptions.PortNotFound):
            client.with_options(context=context, timeout=30).get_port(NOWHERE)
        line = json.loads(*lines(workers, begun, 1))
        told = line["extra"]
        assert line["context"]["request_id"] == "req-7"
        assert line["context"]["operation_id"] == told["operation_id"]
        assert told["method"] == "get_port"
        assert told["caller"].endswith(f":{os.getpid()}")
        assert told["outcome"] == "PortNotFound"
        assert told["error"] == f"port {NOWHERE} does not exist"
        assert 0 <= told["seconds"] < 30


def test_nobody_forges_a_line(configured):
    """What a caller sends is in its own line, whatever it is."""
    forged = "\n2026-11-29 10:00:00.000 1 INFO networker.forged [-] all is well"
    with processes.serving(configured()) as (workers, client):
        begun = len(workers.log)
        context = Context(request_id=f"req-7{forged}", global_request_id=f"r{forged}")
        with pytest.raises(exceptions.PortNotFound):
            client.with_options(context=context, timeout=30).get_port(f"p{forged}")
        (line,) = lines(workers, begun, 1)
        assert line.count("networker.forged") == 3
        assert not re.search(r"^\S+ 10:00:00", workers.log, re.MULTILINE)


def refused(config: pathlib.Path) -> tuple[int, list[str]]:
    """Start workers that cannot serve; return exit code and what they printed."""
    done = subprocess.run(
        [processes.BIN / "networker-worker", "--config-file", config],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, (done.stderr + done.stdout).splitlines()


@pytest.mark.parametrize(
    ("groups", "code", "text"),
    [
        ({"networker": {"driver": "nope"}}, 2, "no such driver; installed are neutron"),
        ({"networker": {"workers": "many"}}, 2, "workers"),
        ({"networker": {"threads": 0}}, 2, "threads"),
        ({"DEFAULT": {"transport_url": "nonsense"}}, 2, "transport_url"),
        ({"DEFAULT": {"transport_url": "pigeon://coop"}}, 2, "pigeon"),
        (
            {"DEFAULT": {"transport_url": "rabbit://127.0.0.1:1/"}},
            3,
            "cannot be reached",
        ),
        ({"sandbox": {"topology": "/none.yaml"}}, 2, "/none.yaml"),
        ({"DEFAULT": {"log_file": "/none/log"}}, 2, "'/none/log'"),
        ({"DEFAULT": {"log_config_append": "/none.ini"}}, 2, "/none.ini"),
        ({"sandbox": {"database": "/none/sandbox.sqlite"}}, 2, "/none"),
        ({"networker": {"driver": "neutron"}}, 2, "[neutron]"),
        (
            {"networker": {"driver": "neutron"}, "neutron": {"cloud": "nimbus"}},
            2,
            "nimbus",
        ),
        (
            {
                "networker": {"driver": "neutron"},
                "neutron": {
                    "auth_type": "password",
                    "auth_url": "http://127.0.0.1:1/v3",
                    "username": "u",
                    "password": "p",
                    "project_name": "p",
                    "user_domain_id": "default",
                    "project_domain_id": "default",
                },
            },
            3,
            "127.0.0.1:1",
        ),
    ],
)
def test_a_wrong_configuration_is_one_line(configured, groups, code, text):
    """Exit code and one line say what has to be mended; there is no traceback."""
    returned, lines = refused(configured(**groups))
    assert returned == code
    (error,) = [line for line in lines if " WARNING " not in line]
    assert error.startswith("networker-worker: ")
    assert text in error


@pytest.mark.parametrize(
    ("vhost", "login"), [("nope", "guest:guest"), ("", "guest:no")]
)
def test_a_broker_that_refuses_is_one_line(configured, broker, vhost, login):
    """A wrong virtual host or password ends the start with one line."""
    url = broker.url_of(vhost, login)
    returned, lines = refused(configured(DEFAULT={"transport_url": url}))
    assert (returned, len(lines)) == (2, 1)
    assert "refused" in lines[0]
    assert login.partition(":")[2] not in lines[0].replace(f":{broker.port}", "")


def test_a_missing_file_is_one_line(tmp_path):
    """A configuration file that does not exist is named."""
    returned, lines = refused(tmp_path / "none.conf")
    assert (returned, len(lines)) == (2, 1)
    assert "none.conf" in lines[0]


def test_service_resumes_when_the_broker_is_back(tmp_path):
    """While the broker is down calls fail in time; afterwards all goes on by itself."""
    with rabbitmq.Node() as node:
        config = processes.write(
            tmp_path / "networker.conf",
            {
                "DEFAULT": {"transport_url": node.url},
                "networker": {"driver": "sandbox", "workers": 1, "threads": 2},
                "sandbox": {"database": tmp_path / "sandbox.sqlite"},
            },
        )
        with processes.serving(config) as (_, client):
            node.stop(signal.SIGKILL)
            hurried = client.with_options(timeout=2)
            for caller in (hurried, hurried.cast):
                with pytest.raises((exceptions.BusUnavailable, exceptions.CallTimeout)):
                    caller.get_port(NOWHERE)
            node.start()
            processes.until_served(client, timeout=60)
            assert lookup(client)
