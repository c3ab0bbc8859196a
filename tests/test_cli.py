"""The command line: what is said to whom, exit codes, and stopping. The engine's own work is tested elsewhere."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tadmor.engine
from event_lines import events
from tadmor import __version__
from tadmor.cli import FORMATS, QUALITIES, cli, run
from tadmor.engine.options import Format, Options, Quality
from tadmor.engine.pipeline import Result
from tadmor.engine.progress import Progress
from tadmor.engine.record import ComponentRecord, EvidenceSummary, RunRecord
from tadmor.engine.scene import Lens, Scene, View
from tadmor.engine.steps.quality import PhotoScore
from tadmor.engine.surface.evidence import EvidenceClass
from tadmor.engine.surface.rendering import Score
from tadmor.engine.verdicts import Outcome, Verdict
from tadmor.errors import EnvironmentFailure, UserError

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "photos" / "a.jpg"
    file.parent.mkdir()
    file.write_bytes(b"not really")
    return file


def result_of(out: Path, told: Callable[[Any], None]) -> Result:
    """What a run of three photographs might leave, having told of two steps."""
    progress = Progress(told)
    with progress.step("photos", 3):
        for _ in range(3):
            progress.advance()
    with progress.step("features", 2) as features:
        features.reused = 2
        progress.advance(2)
    view = View("key", "a.jpg", Lens(30, 20, 25.0, 14.5, 9.5), np.eye(3), np.zeros(3))
    scores = (
        PhotoScore(0, True, Score(0.8, 28.0, 29.0, 0.9), out / "a.jpg"),  # noqa: FBT003 - a dataclass's field
        PhotoScore(1, False, Score(0.9, 30.0, 31.0, 0.92), out / "b.jpg"),  # noqa: FBT003
        PhotoScore(2, False, Score(0.7, 32.0, 33.0, 0.96), out / "c.jpg"),  # noqa: FBT003
    )
    shares = {EvidenceClass.INFERRED: 0.1, EvidenceClass.WEAKLY_OBSERVED: 0.2, EvidenceClass.OBSERVED: 0.7}
    component = ComponentRecord(
        1,
        ".",
        Scene((view, view), np.zeros((0, 3)), np.zeros(0)),
        held_out=(0,),
        scores=scores,
        evidence=EvidenceSummary(shares, 3.0, 12.0, 0.01, 0.05),
        vertices=100,
        faces=180,
        files={"model.glb": 1000},
    )
    failed = ComponentRecord(2, "component-2", component.scene, problem="No surface.")
    record = RunRecord(
        started_at="2026-11-22T12:00:00+00:00",
        seconds=4.5,
        options=Options(),
        workers=2,
        steps=tuple(progress.records.values()),
        verdicts=(
            Verdict("a.jpg", Outcome.USED),
            Verdict("b.jpg", Outcome.USED),
            Verdict("c.jpg", Outcome.UNREADABLE),
        ),
        photos={},
        names={},
        components=(component, failed),
        pairs=np.zeros((0, 3), np.int32),
        mapping_method="incremental",
        synthetic=False,
        workspace=out / "workspace",
    )
    return Result(out, out / "report.html", record)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Stand in for the engine: tells of some steps, returns figures, and keeps the arguments it was called with."""
    called: dict[str, Any] = {}

    def remodel(inputs: Sequence[Path], out: Path, **arguments: Any) -> Result:
        called.update(inputs=inputs, out=out, **arguments)
        return result_of(out.absolute(), arguments["listener"])

    monkeypatch.setattr(tadmor.engine, "remodel", remodel)
    return called


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def remodel(*_: object, **__: object) -> Result:
        raise error

    monkeypatch.setattr(tadmor.engine, "remodel", remodel)


# help


def test_help_comes_at_once_and_from_both_entries() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "tadmor", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "remodel" in done.stdout
    assert "demo" in done.stdout
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert not imported & {"numpy", "numba", "pycolmap", "dask", "rich", "cv2", "tadmor.engine"}
    script = Path(sys.executable).with_name("tadmor")
    assert subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout == done.stdout


def test_without_a_command_the_help_is_shown(capsys: Capture) -> None:
    assert run([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_version(capsys: Capture) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"tadmor {__version__}\n"


def test_the_options_words_are_the_engines() -> None:
    assert tuple(q.value for q in Quality) == QUALITIES
    assert tuple(f.value for f in Format) == FORMATS


# options


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["--quality", "best"], "--quality"),
        (["--workers", "0"], "--workers"),
        (["--workers", "two"], "--workers"),
        (["--scheduler", "10.0.0.5"], "--scheduler"),
        (["--holdout", "1"], "--holdout"),
        (["--holdout", "-3"], "--holdout"),
        (["--holdout", "5", "--no-holdout"], "--no-holdout"),
        (["--formats", "obj,fbx"], "--formats"),
        (["--print", "3"], "--print"),
        (["--print", "nan"], "--print"),
        (["--metres-per-unit", "0"], "--metres-per-unit"),
        (["--metres-per-unit", "nan"], "--metres-per-unit"),
        (["--metres-per-unit", "inf"], "--metres-per-unit"),
        (["--seed", "1.5"], "--seed"),
    ],
)
def test_a_value_that_makes_no_sense_ends_with_2_and_names_its_option(
    arguments: list[str], option: str, photo: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    assert run(["remodel", str(photo), "-o", str(out), *arguments]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"Error: {option}: ")
    assert "[bad-option]" in told.err
    assert not told.out
    assert not out.exists()


@pytest.mark.parametrize("arguments", [["remodle"], ["remodel"], ["remodel", "photos"], ["remodel", "--nope"]])
def test_a_wrong_call_ends_with_2(arguments: list[str], capsys: Capture) -> None:
    assert run(arguments) == 2
    told = capsys.readouterr()
    assert "[usage]" in told.err
    assert not told.out
    assert run([*arguments, "--json"]) == 2
    (line,) = events(capsys.readouterr().out)
    assert line["code"] == "usage"


def test_all_options_reach_the_engine(engine: dict[str, Any], photo: Path, tmp_path: Path) -> None:
    line = (
        "--quality FINE --workers 3 --scheduler tcp://10.0.0.5:8786 --holdout 5 --formats obj,STL,obj --print 120 "
        "--metres-per-unit 0.25 --seed 7 --overwrite --quiet"
    )
    code = run(["remodel", str(photo), "-o", str(tmp_path / "o"), "--workspace", str(tmp_path / "w"), *line.split()])
    assert code == 0
    del engine["listener"]
    assert engine == {
        "inputs": (photo,),
        "out": tmp_path / "o",
        "workspace": tmp_path / "w",
        "workers": 3,
        "scheduler": "tcp://10.0.0.5:8786",
        "overwrite": True,
        "options": Options(
            quality=Quality.FINE,
            holdout=5,
            formats=(Format.OBJ, Format.STL),
            print_height_mm=120.0,
            metres_per_unit=0.25,
            seed=7,
        ),
    }


def test_without_options_the_engines_defaults_hold(engine: dict[str, Any], photo: Path, tmp_path: Path) -> None:
    assert run(["remodel", str(photo), "-o", str(tmp_path / "o")]) == 0
    assert engine["options"] == Options()
    assert engine["workspace"] is None
    assert engine["workers"] is None
    assert engine["scheduler"] is None
    assert engine["overwrite"] is False


def test_no_holdout(engine: dict[str, Any], photo: Path, tmp_path: Path) -> None:
    assert run(["remodel", str(photo), "-o", str(tmp_path / "o"), "--no-holdout"]) == 0
    assert engine["options"] == Options(holdout=0)


def test_every_option_has_a_help() -> None:
    for command in cli.commands.values():
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or getattr(parameter, "help", None), parameter.name


# input and machine


def test_a_path_that_is_missing(tmp_path: Path, capsys: Capture) -> None:
    assert run(["remodel", str(tmp_path / "nowhere"), "-o", str(tmp_path / "out")]) == 3
    assert "nowhere does not exist" in capsys.readouterr().err


def test_a_folder_without_photographs(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    assert run(["remodel", str(tmp_path), "-o", str(tmp_path / "out")]) == 3
    told = capsys.readouterr().err
    assert "[no-photos]" in told
    assert "JPEG" in told


def test_a_folder_that_cannot_be_read(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import sys; from tadmor.cli import run; sys.exit(run(sys.argv[1:]))"
    if os.geteuid() != 0:
        photo.parent.chmod(0)
        command = [sys.executable, "-c", script, "remodel", str(photo.parent), "-o", str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        photo.parent.chmod(0o700)
        assert done.returncode == 3
        assert "[input-unreadable]" in done.stderr
        return

    def refused(path: Path) -> Any:  # root may read every folder
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    assert run(["remodel", str(photo.parent), "-o", str(tmp_path / "out")]) == 3


def test_an_output_that_is_a_file(photo: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    assert run(["remodel", str(photo), "-o", str(out)]) == 3
    assert "[output-is-a-file]" in capsys.readouterr().err
    assert run(["demo", "-o", str(out)]) == 3
    assert "[output-is-a-file]" in capsys.readouterr().err
    assert out.read_text() == "mine"


def test_an_output_that_cannot_be_made(photo: Path, capsys: Capture) -> None:
    assert run(["remodel", str(photo), "-o", str(photo / "out")]) == 4
    assert "[not-writable]" in capsys.readouterr().err


def test_the_machines_refusals_end_with_4(
    photo: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, EnvironmentFailure("disk-full", path="/somewhere"))
    assert run(["remodel", str(photo), "-o", str(tmp_path / "o")]) == 4
    told = capsys.readouterr()
    assert told.err == (
        "Error: The disk that holds /somewhere is full.\n"
        "Free some space and run the same command again: it goes on where it stopped, and nothing was lost.\n"
        "[disk-full]\n"
    )
    assert not told.out


def test_a_bug_ends_with_1_shows_its_traceback_and_says_whose_fault_it_is(
    photo: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, ZeroDivisionError("of a sort"))
    assert run(["remodel", str(photo), "-o", str(tmp_path / "o")]) == 1
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "ZeroDivisionError: of a sort" in told
    assert "our fault" in told
    assert "report it" in told
    assert str(tmp_path / "o" / "workspace") in told
    assert run(["remodel", str(photo), "-o", str(tmp_path / "o"), "--json"]) == 1
    told_program = capsys.readouterr()
    (line,) = events(told_program.out)
    assert line["code"] == "bug"
    assert line["workspace"] == str(tmp_path / "o" / "workspace")
    assert "Traceback" in told_program.err


def test_errors_as_json(photo: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, UserError("one-photo", name="a.jpg"))
    assert run(["remodel", str(photo), "-o", str(tmp_path / "o"), "--json"]) == 3
    told = capsys.readouterr()
    (line,) = events(told.out)
    assert line["exit_code"] == 3
    assert line["code"] == "one-photo"
    assert "a.jpg" in line["what"]
    assert "Add photographs" in line["advice"]
    assert not told.err


# what is told of a run that goes well


@pytest.mark.usefixtures("engine")
def test_people_are_told_steps_on_stderr_and_figures_on_stdout(photo: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["remodel", str(photo), "-o", str(tmp_path / "o")]) == 0
    told = capsys.readouterr()
    steps = told.err.splitlines()
    assert steps[0].startswith("1 of 12 · photos: 3 files, ")
    assert steps[1].startswith("2 of 12 · features: 2 photos, taken over, ")
    assert told.out.splitlines() == [
        "2 of 3 photographs used.",
        f"Model 1: {tmp_path / 'o' / 'model.glb'}",
        "  1 photo kept out of the texture: PSNR 28.0 dB, SSIM 0.900, 80 % covered",
        "  Surface: 70 % observed, 20 % weakly observed, 10 % inferred",
        "Model 2 (2 photographs): No surface.",
        f"Report: {tmp_path / 'o' / 'report.html'}",
    ]


@pytest.mark.usefixtures("engine")
def test_quiet_prints_the_reports_path_only(photo: Path, tmp_path: Path, capfdbinary: Any) -> None:
    out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xd8\xaa\xd8\xaf\xd9\x85\xd8\xb1 \xff"))  # no UTF-8 at its end
    assert run(["remodel", str(photo), "-o", str(out), "--quiet"]) == 0
    told = capfdbinary.readouterr()
    assert told.out == os.fsencode(out) + b"/report.html\n"
    assert told.err == b""


@pytest.mark.usefixtures("engine")
def test_json_lines_conform_and_carry_the_figures(photo: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "o"
    assert run(["remodel", str(photo), "-o", str(out), "--json"]) == 0
    told = capsys.readouterr()
    assert not told.err
    *progress, last = events(told.out)
    assert [(line["step"], line["kind"]) for line in progress] == [
        ("photos", "begin"),
        *[("photos", "advance")] * 3,
        ("photos", "end"),
        ("features", "begin"),
        ("features", "advance"),
        ("features", "end"),
    ]
    assert last["event"] == "result"
    assert last["report"] == str(out / "report.html")
    assert last["photos"] == {"given": 3, "used": 2, "by_verdict": {"used": 2, "unreadable": 1}}
    assert last["components"][0]["held_out"] == {
        "photos": 1,
        "psnr_db": 28.0,
        "psnr_fit_db": 29.0,
        "ssim": 0.9,
        "coverage": 0.8,
    }
    assert last["components"][0]["in_texture"]["psnr_db"] == pytest.approx(31)
    assert last["components"][0]["area_share"] == {"observed": 0.7, "weakly_observed": 0.2, "inferred": 0.1}
    assert last["components"][1]["model"] is None
    assert last["components"][1]["problem"] == "No surface."


@pytest.mark.usefixtures("engine")
def test_json_quiet_is_one_line(photo: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["remodel", str(photo), "-o", str(tmp_path / "o"), "--json", "--quiet"]) == 0
    (line,) = events(capsys.readouterr().out)
    assert line["event"] == "result"


# stopping, in processes of their own whose engine is a few lines
