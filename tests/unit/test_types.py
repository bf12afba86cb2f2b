# SPDX-License-Identifier: Apache-2.0
"""What msgspec must know before threads ask it."""

from __future__ import annotations

import subprocess
import sys

#: Two threads that decode the first requests at once. In about one of three processes
#: that ended with a segmentation fault, so it is tried in several.
PROGRAM = """
import gc, sys, threading
from networker import models
from networker.rpc import codec, contract

sys.setswitchinterval(1e-6)
gc.set_threshold(10)
methods = contract.methods()
lb = {"id": "a", "vip": {"port_id": "b"}, "amphorae": [{"id": "c"}]}
wire = {"load_balancer": lb, "vip": {"port_id": "b"}}
start = threading.Barrier(8)

def decode():
    start.wait()
    for name in ("plug_vip", "update_vip", "deallocate_vip"):
        kept = {key: wire[key] for key in methods[name].parameters if key in wire}
        codec.decode_arguments(methods[name], kept)
    codec.decode_answer(methods["plug_vip"], {"worker": "w", "result": []})
    codec.decode_result(methods["plug_vip"], [{"id": "c"}])

threads = [threading.Thread(target=decode) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_first_requests_at_once_do_not_end_the_process():
    """Threads that decode their first requests at the same time all succeed."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    started = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    ended = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 3, ended
