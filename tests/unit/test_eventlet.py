# SPDX-License-Identifier: Apache-2.0
"""What becomes of eventlet, which is installed, in a process that uses the bus."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest


def run(code: str) -> list[str]:
    """Return the lines that a new interpreter prints, its warnings among them."""
    # Coverage, which would measure that process too, has modules of its own.
    quiet = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", textwrap.dedent(code)],
        env=quiet,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


@pytest.mark.parametrize("module", ["networker.rpc", "networker.conf"])
def test_a_controller_gets_no_eventlet(module):
    """It is not imported, nobody warns of it, and no backend is chosen."""
    lines = run(f"""
        import {module}, sys
        from oslo_service import backend
        print(sorted({{"eventlet", "greenlet"}} & sys.modules.keys()))
        print(backend.get_backend_type())
    """)
    assert lines[-2:] == ["[]", "None"]
    assert not [line for line in lines if "EventletDeprecationWarning" in line]


@pytest.mark.parametrize("kind", ["THREADING", "EVENTLET"])
def test_a_controller_chooses_its_backend(kind):
    """After our import, either backend can be chosen, and knows our servers."""
    lines = run(f"""
        import networker.rpc, oslo_messaging.server
        from oslo_service import backend
        backend.init_backend(backend.BackendType.{kind})
        from oslo_service import service
        print(backend.get_backend_type().name, service.launch.__module__)
        print(issubclass(oslo_messaging.server.MessageHandlingServer, service.ServiceBase))
    """)
    assert lines[-2:] == [
        f"{kind} oslo_service.backend._{kind.lower()}.service",
        "True",
    ]


LOOK = """
        def look():
            from oslo_messaging import _utils
            from oslo_utils import eventletutils
            print(
                eventletutils.EVENTLET_AVAILABLE,
                eventletutils.is_monkey_patched("thread"),
                type(eventletutils.Event()).__name__,
                _utils.get_executor_with_context(),
            )
"""


def test_eventlet_that_comes_later_is_noticed():
    """What oslo.messaging asks about it is answered as it is at that time."""
    lines = run(f"""
        import networker.rpc
        {LOOK}
        look()
        import eventlet
        look()
        eventlet.monkey_patch()
        look()
    """)
    assert [line for line in lines if line.endswith(("threading", " eventlet"))] == [
        "False False Event threading",
        "True False Event threading",
        "True True EventletEvent eventlet",
    ]


def test_eventlet_that_was_there_before_stays():
    """A process that has it is left as it is."""
    lines = run(f"""
        import eventlet
        eventlet.monkey_patch()
        import networker.rpc
        {LOOK}
        look()
    """)
    assert lines[-1] == "True True EventletEvent eventlet"


@pytest.mark.parametrize("moment", ["oslo_messaging.server", "oslo_messaging.rpc"])
def test_another_thread_imports_what_it_wants(moment):
    """While oslo.messaging is being imported, others can have eventlet and oslo.service.

    They begin before, or after, oslo.messaging has got its part of oslo.service.
    """
    code = """
        import sys, threading
        from importlib.machinery import PathFinder

        def other():
            import eventlet
            from oslo_service import service
            found.append((eventlet.sleep.__name__, service.launch.__name__))
            ended.set()  # eventlet makes join() hang in a thread that imports it

        class Interrupted(PathFinder):
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                spec = super().find_spec(name, path, target)
                if name == "%s":
                    execute = spec.loader.exec_module
                    def interrupted(module):
                        threading.Thread(target=other, daemon=True).start()
                        ended.wait(30)
                        execute(module)
                    spec.loader.exec_module = interrupted
                return spec

        found, ended = [], threading.Event()
        sys.meta_path.insert(0, Interrupted)
        import networker.rpc
        from oslo_service import service
        print(found, service.launch.__name__, type(service).__name__)
    """
    lines = run(code % moment)
    assert lines[-1] == "[('sleep', 'launch')] launch module"


@pytest.mark.parametrize(
    "call", ["rpc.connect(conf)", "rpc.outcomes(conf).__enter__()"]
)
def test_a_patched_process_is_refused(call):
    """A client that could only hang says why, and what to do."""
    lines = run(f"""
        import eventlet
        eventlet.monkey_patch()
        from networker import conf, rpc
        conf = conf.load(["--config-file", "/dev/null"])
        try:
            {call}
        except ValueError as error:
            print(error)
    """)
    assert "eventlet.monkey_patch() has replaced select, socket, thread" in lines[-1]
    assert "connect in a process without monkey_patch()" in lines[-1]


def test_eventlet_alone_is_not_refused():
    """A process may have it for something else, as long as it does not patch."""
    lines = run("""
        import eventlet
        from networker import conf, rpc
        conf = conf.load(["--config-file", "/dev/null"])
        conf.set_override("transport_url", "fake:/")
        rpc.connect(conf).close()
        print("connected")
    """)
    assert lines[-1] == "connected"
