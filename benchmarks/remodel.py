"""Speed, memory and quality of `tadmor remodel` on real photo sets, beside OpenMVS's figures on the same sets.

python benchmarks/remodel.py [--data FOLDER] [--sets fountain_p11,...] [--out DIR] [--scorer eval_glb.py]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measuring import Measured, remodel, table
from tadmor.engine.synthetic import align

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SCORE_NAMES = ("psnr", "psnr_fit", "ssim", "coverage")


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, and means over photos at 800 px width: PSNR in dB as is and after gain and offset, SSIM, coverage."""

    seconds: float | None = None
    psnr: float | None = None
    psnr_fit: float | None = None
    ssim: float | None = None
    coverage: float | None = None


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """A set of photos, what OpenMVS 2.3 makes of it, and what is wanted.

    OpenMVS ran at 1000 px on two cores; its seconds come on top of structure from motion, which ours include.
    """

    images: str
    cameras: int
    openmvs: Figures = Figures()
    wanted: Figures = Figures()
    ground_truth: str = ""


SETS = {
    "fountain_p11": PhotoSet(
        "fountain_p11/images",
        11,
        openmvs=Figures(352, 28.17, 28.91, 0.925, 0.882),
        wanted=Figures(45, 29.0, None, 0.94, 0.89),
        ground_truth="fountain_p11/gt_dense_cameras",
    ),
    "sceaux_castle": PhotoSet(
        "sceaux_castle",
        11,
        openmvs=Figures(277, 18.59, 19.59, 0.772, 0.564),
        wanted=Figures(40, None, 21.5, 0.825, 0.54),
    ),
    "sacre_coeur": PhotoSet("sacre_coeur", 10, wanted=Figures(45, None, 18.5)),
    "lund_street": PhotoSet("lund_street", 20, wanted=Figures(120, None, 20.0)),
}


def own_figures(run: Measured) -> Figures:
    """The engine's own scores over all photos that it scored, held out or not."""
    scores = run.component["scores"] if run.component else []
    if not scores:
        return Figures(run.seconds)
    mean = {name: float(np.mean([s[name] for s in scores])) for name in ("psnr_db", "psnr_fit_db", "ssim", "coverage")}
    return Figures(run.seconds, mean["psnr_db"], mean["psnr_fit_db"], mean["ssim"], mean["coverage"])


def scored(python: str, scorer: Path, out: Path, images: Path) -> Figures:
    """What an independent program says of the model: it prints JSON whose `mean` holds the scores."""
    command = [python, str(scorer), str(out / "model.glb"), str(out / "cameras"), str(images), "--width", "800"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    mean: dict[str, float] = json.loads(done.stdout.splitlines()[-1])["mean"]
    return Figures(None, *(mean[name] for name in SCORE_NAMES))


def true_centres(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Camera centres in metres by photo name, of Strecha et al. (CVPR 2008).

    A .camera file has three rows of calibration, a row of zeros, three rows of rotation (camera to world), the centre
    and the image size.
    """
    centres = {}
    for file in sorted(folder.glob("*.camera")):
        rows = [line.split() for line in file.read_text().splitlines() if line.strip()]
        centres[file.name.removesuffix(".camera")] = np.array(rows[7][:3], np.float64)
    return centres


def centre_errors_mm(component: dict[str, Any], truth: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """(n,) distances of the camera centres from the truth in mm, after similarity alignment (Umeyama 1991)."""
    views = [view for view in component["views"] if view["photo"] in truth]
    ours = np.array([view["centre"] for view in views])
    theirs = np.array([truth[view["photo"]] for view in views])
    errors: NDArray[np.float64] = 1000 * np.linalg.norm(align(ours, theirs).apply(ours) - theirs, axis=1)
    return errors


def _rows(
    name: str, photos: PhotoSet, run: Measured, external: Figures | None, centre_mm: float | None
) -> list[list[object]]:
    component = run.component
    held_out = component["mean_held_out"]["psnr_db"] if component and component["mean_held_out"] else None
    placed = f"{len(component['views']) if component else 0} of {photos.cameras}"
    ours: list[object] = [name, "tadmor", *_shown(own_figures(run)), _number(held_out, 2), placed]
    ours += [_number(centre_mm, 1), round(run.peak_mb), round(run.cpu_seconds)]
    rows = [ours]
    if external is not None:
        rows.append(["", "tadmor, by the scorer", *_shown(external)])
    if photos.openmvs != Figures():
        rows.append(["", "OpenMVS, without SfM", *_shown(photos.openmvs)])
        if photos.openmvs.seconds is not None:
            rows.append(["", "times faster", _number(photos.openmvs.seconds / run.seconds, 1)])
    if photos.wanted != Figures():
        rows.append(["", "wanted", *_shown(photos.wanted)])
    width = len(rows[0])
    return [row + [None] * (width - len(row)) for row in rows]


def _shown(figures: Figures) -> list[str | None]:
    return [
        _number(figures.seconds, 1),
        _number(figures.psnr, 2),
        _number(figures.psnr_fit, 2),
        _number(figures.ssim, 3),
        _number(figures.coverage, 3),
    ]


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:.{digits}f}"


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path(os.environ.get("TADMOR_BENCHMARK_DATA", DATA))
    parser.add_argument(
        "--data", type=Path, default=data, help=f"folder of the sets, default {data} (TADMOR_BENCHMARK_DATA)"
    )
    parser.add_argument("--sets", default=",".join(SETS), help="names of sets, with commas between them")
    parser.add_argument("--out", type=Path, help="where results go; a temporary folder by default")
    parser.add_argument(
        "--scorer", type=Path, help="an independent scorer: MODEL.glb CAMERAS IMAGES --width 800 -> JSON"
    )
    parser.add_argument("--scorer-python", default=sys.executable, help="the Python that runs the scorer")
    parser.add_argument("--quality", default="standard", help="quality level")
    parser.add_argument(
        "--warm-up", action="store_true", help="compile the kernels in a run before the first that counts"
    )
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Run the sets that are there and print the table."""
    arguments = _arguments(given)
    wanted = arguments.sets.split(",")
    unknown = [name for name in wanted if name not in SETS]
    if unknown:
        print(f"Unknown sets: {', '.join(unknown)}. There are: {', '.join(SETS)}.", file=sys.stderr)
        return 2
    there = [name for name in wanted if (arguments.data / SETS[name].images).is_dir()]
    for name in wanted:
        if name not in there:
            print(
                f"{name}: its photos are not in {arguments.data}; skipped. Give their folder with --data.",
                file=sys.stderr,
            )
    if not there:
        return 3
    with tempfile.TemporaryDirectory(prefix="tadmor-benchmark-") as scratch:
        out = (arguments.out or Path(scratch)).resolve()
        if arguments.warm_up:
            remodel(arguments.data / SETS[there[0]].images, Path(scratch) / "warm-up", "--quality", "draft")
        failures = _run(there, out, arguments)
    return 1 if failures else 0


def _run(names: Sequence[str], out: Path, arguments: argparse.Namespace) -> int:
    rows: list[list[object]] = []
    steps: dict[str, dict[str, float]] = {}
    failures = 0
    for name in names:
        photos = SETS[name]
        images = arguments.data / photos.images
        if (out / name).exists():
            print(f"{out / name} exists: only a fresh run can be timed. Choose another --out.", file=sys.stderr)
            return 1
        print(name, file=sys.stderr)
        run = remodel(images, out / name, "--quality", arguments.quality)
        if run.exit_code:
            print(f"{name} ended with {run.exit_code}: {run.error}", file=sys.stderr)
            failures += 1
            continue
        external = scored(arguments.scorer_python, arguments.scorer, out / name, images) if arguments.scorer else None
        errors = None
        if photos.ground_truth and run.component and (arguments.data / photos.ground_truth).is_dir():
            errors = centre_errors_mm(run.component, true_centres(arguments.data / photos.ground_truth))
        rows += _rows(name, photos, run, external, None if errors is None else float(errors.mean()))
        steps[name] = {step["name"]: step["seconds"] for step in run.report["steps"]}
    heading = (
        "Set",
        "Program",
        "s",
        "PSNR",
        "fit",
        "SSIM",
        "coverage",
        "held-out PSNR",
        "cameras",
        "centres mm",
        "peak MB",
        "CPU s",
    )
    print(table(heading, rows))
    print("\nSeconds per step\n")
    every = list(dict.fromkeys(step for taken in steps.values() for step in taken))
    print(
        table(("Step", *steps), [(step, *(_number(taken.get(step), 1) for taken in steps.values())) for step in every])
    )
    return failures


if __name__ == "__main__":
    sys.exit(main())
