"""A whole run whose tasks are done by a Dask worker in another process."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from photo_sets import Remodelled, coarsely, content

from tadmor.engine.compute import Compute
from tadmor.engine.synthetic import Truth
from tadmor.errors import EnvironmentFailure


def dask(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a scheduler with one worker of two threads; they end with the tests."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    running = [dask("scheduler", "--host", address), dask("worker", address, "--nthreads", "2", "--no-nanny")]
    while True:
        try:
            with Compute(scheduler=address):
                break
        except EnvironmentFailure:
            time.sleep(0.1)
    yield address
    for process in reversed(running):
        process.terminate()
        process.wait()


def test_a_cluster_makes_the_same_model(
    scheduler: str, tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path
) -> None:
    result = coarsely([tiny.folder], tmp_path / "out", scheduler=scheduler)
    assert content(tmp_path / "out") == content(tiny_remodelled.out)
    assert result.record.verdicts == tiny_remodelled.result.record.verdicts
    again = coarsely([tiny.folder], tmp_path / "out", scheduler=scheduler)
    assert {s.name: s.reused for s in again.record.steps}["features"] == 8
    assert content(tmp_path / "out") == content(tiny_remodelled.out)
