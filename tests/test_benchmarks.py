"""What the benchmarks compute, against what is known; they themselves run for minutes and are run by hand."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)

    def load(name: str) -> ModuleType:
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return load


def test_camera_errors_are_those_put_in(benchmark: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(60, 3)) * 5
    for number, centre in enumerate(truth):
        rows = ["2759.48 0 1520.69 ", "0 2764.16 1006.81 ", "0 0 1 ", "0 0 0", "1 0 0 ", "0 1 0 ", "0 0 1 "]
        rows += [" ".join(map(repr, centre.tolist())) + " ", "3072 2048"]
        (tmp_path / f"{number:04d}.jpg.camera").write_text("\n".join(rows) + "\n")
    remodel = benchmark("remodel")
    found = remodel.true_centres(tmp_path)
    assert sorted(found) == [f"{number:04d}.jpg" for number in range(60)]
    moved = 0.3 * truth @ Rotation.from_rotvec([0.4, 1.2, -0.3]).as_matrix().T + [4, 5, 6]
    component = {"views": [{"photo": f"{n:04d}.jpg", "centre": c.tolist()} for n, c in enumerate(moved)]}
    assert remodel.centre_errors_mm(component, found) == pytest.approx(np.zeros(60), abs=1e-6)
    off = rng.normal(size=moved.shape) * 0.3e-3  # 1 mm a coordinate in the truth's metres
    component = {"views": [{"photo": f"{n:04d}.jpg", "centre": c.tolist()} for n, c in enumerate(moved + off)]}
    errors = remodel.centre_errors_mm(component, found)
    assert 0.85 < np.sqrt((errors**2).mean() / 3) < 1.1  # a little less, since the alignment takes part of it


def test_the_peak_counts_children_too(benchmark: Any) -> None:
    hold = "import time; held = bytearray(120_000_000); held[::4096] = b'x' * len(held[::4096]); time.sleep(1.2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}]); {hold}"
    process = subprocess.Popen([sys.executable, "-c", parent])
    peak = benchmark("measuring")._Peak(process.pid)
    time.sleep(0.1)
    process.wait()
    one_at_a_time = peak.stop()
    assert 120 < one_at_a_time < 200
    both = f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {hold!r}]); {hold}; child.wait()"
    process = subprocess.Popen([sys.executable, "-c", both])
    peak = benchmark("measuring")._Peak(process.pid)
    process.wait()
    assert 240 < peak.stop() < 330


def test_the_scorer_is_called_as_agreed(benchmark: Any, tmp_path: Path) -> None:
    scorer = tmp_path / "scorer.py"
    scorer.write_text(
        "import json, sys\n"
        f"files = [{str(tmp_path / 'model.glb')!r}, {str(tmp_path / 'cameras')!r}, 'images']\n"
        "assert sys.argv[1:] == [*files, '--width', '800']\n"
        "print(json.dumps({'n': 2, 'mean': {'coverage': 0.5, 'psnr': 20.0, 'psnr_fit': 21.0, 'ssim': 0.8}}))\n"
    )
    remodel = benchmark("remodel")
    figures = remodel.scored(sys.executable, scorer, tmp_path, Path("images"))
    assert figures == remodel.Figures(None, 20.0, 21.0, 0.8, 0.5)


def test_absent_photos_are_told(benchmark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remodel = benchmark("remodel")
    assert remodel.main(["--data", str(tmp_path)]) == 3
    told = capsys.readouterr().err
    assert all(f"{name}: its photos are not in {tmp_path}" in told for name in remodel.SETS)
    assert remodel.main(["--sets", "nope"]) == 2


def test_growth_takes_the_first_photos_of_a_set_that_is_there(benchmark: Any, tmp_path: Path) -> None:
    for number in (2, 1, 3):
        (tmp_path / f"photo_{number:03d}.jpg").touch()
    found = benchmark("growth").photographs(tmp_path, 3)
    assert [path.name for path in found] == ["photo_001.jpg", "photo_002.jpg", "photo_003.jpg"]
