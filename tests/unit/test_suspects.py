# SPDX-License-Identifier: Apache-2.0
"""In which order requests run that perhaps kill their worker."""

from __future__ import annotations

import threading
from concurrent import futures

import pytest

from networker.rpc.rabbitmq.listener import Suspects


def order(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Let requests come at the same time; return how they ran.

    :param places: of each how many workers died in it, and its deliveries
    """
    suspects, ran, at_once = Suspects(), [], []
    running = threading.Semaphore()

    def run(place: tuple[int, int]) -> None:
        with suspects.turn(*place):
            at_once.append(running.acquire(blocking=False))
            ran.append(place)
            running.release()

    with futures.ThreadPoolExecutor(len(places)) as pool:
        for each in [pool.submit(run, place) for place in places]:
            each.result(30)
    assert all(at_once)
    return ran


def test_one_at_a_time_and_the_killer_last():
    """Those in which the fewest workers have died run first, then the newest."""
    places = [(3, 5), (0, 7), (1, 5), (0, 2), (0, 4), (1, 3)]
    assert order(places) == sorted(places)


def test_one_that_fails_lets_the_others_go_on():
    """Its turn ends all the same."""
    suspects = Suspects()
    with pytest.raises(ValueError, match="wrong"), suspects.turn(0, 2):
        raise ValueError("wrong")
    with suspects.turn(0, 2):
        pass


def test_those_of_which_nothing_is_known_run_in_any_order():
    """Whoever kills its worker is not always first, nor always last."""
    suspects, ran = Suspects(), []

    def run(name: int) -> None:
        with suspects.turn(0, 2):
            ran.append(name)

    for _ in range(20):
        with futures.ThreadPoolExecutor(2) as pool:
            for each in [pool.submit(run, name) for name in range(2)]:
                each.result(30)
    assert {ran[at] for at in range(0, len(ran), 2)} == {0, 1}
