"""Where tasks run, in what order results come, and what a person is told of a cluster that does not work."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tadmor.engine.compute import Compute
from tadmor.errors import EnvironmentFailure, UserError


def square(number: int) -> int:
    time.sleep(0.01 * (number % 3))
    return number * number


def process(_: int) -> int:
    return os.getpid()


def refuse(number: int) -> int:
    raise UserError("one-photo", name=str(number))


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_items_order_and_every_item_is_counted(workers: int) -> None:
    counted: list[int] = []
    with Compute(workers) as compute:
        assert compute.map(square, range(20), lambda: counted.append(1)) == [n * n for n in range(20)]
        assert compute.map(square, []) == []
    assert len(counted) == 20


def test_at_most_so_many_tasks_run_at_once() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    with Compute(3) as compute:
        compute.map(work, range(12))
    assert most == 3


def test_a_tasks_error_comes_out() -> None:
    with Compute(2) as compute, pytest.raises(UserError) as caught:
        compute.map(refuse, [5, 5])
    assert caught.value.params == {"name": "5"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dask(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments, "--no-dashboard"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # the worker takes functions of this very file
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    address = f"tcp://127.0.0.1:{free_port()}"
    running = dask("scheduler", "--host", address)
    yield address
    running.terminate()
    running.wait()


def answers(address: str) -> bool:
    host, port = address.removeprefix("tcp://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_a_cluster(scheduler: str, tmp_path: Path) -> None:
    while not answers(scheduler):
        time.sleep(0.05)
    with pytest.raises(EnvironmentFailure) as caught, Compute(scheduler=scheduler):
        pass
    assert caught.value.code == "no-workers"
    worker = dask("worker", scheduler, "--nthreads", "3", "--no-nanny")
    try:
        while True:
            try:
                with Compute(scheduler=scheduler):
                    break
            except EnvironmentFailure:
                time.sleep(0.1)
        with Compute(workers=2, scheduler=scheduler) as compute:
            assert (compute.threads, compute.workers) == (2, 3)
            assert compute.map(square, range(10)) == [n * n for n in range(10)]
            assert set(compute.map(process, range(4))) == {worker.pid}
            assert set(compute.map(process, range(4), here=True)) == {os.getpid()}
            with pytest.raises(UserError) as refused:
                compute.map(refuse, [7])
            assert refused.value.what.startswith("Only one usable photograph was given (7)")
            compute.require(tmp_path)
            with pytest.raises(EnvironmentFailure) as blind:
                compute.require(tmp_path / "elsewhere")
            assert blind.value.code == "workspace-not-shared"
    finally:
        worker.terminate()
        worker.wait()


def test_a_scheduler_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tadmor.engine.compute.PATIENCE_SECONDS", 0.5)
    with pytest.raises(EnvironmentFailure) as caught, Compute(scheduler=f"tcp://127.0.0.1:{free_port()}"):
        pass
    assert caught.value.code == "no-scheduler"
