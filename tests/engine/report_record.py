"""A small run as the report gets it: a textured box on a plain, three photographs in a real workspace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from tadmor.engine.options import Options
from tadmor.engine.progress import StepRecord
from tadmor.engine.record import ComponentRecord, EvidenceSummary, RunRecord
from tadmor.engine.report.overview import look_at
from tadmor.engine.scene import F64, I32, U8, Lens, Scene, View
from tadmor.engine.steps.quality import PhotoScore
from tadmor.engine.surface.evidence import EvidenceClass
from tadmor.engine.surface.rendering import Score
from tadmor.engine.verdicts import Outcome, Verdict
from tadmor.engine.workspace import Workspace
from tadmor.media.photo import PhotoFacts

SIZE = (320, 240)
LATITUDE, LONGITUDE = 34.55412, 38.26793
SCRIPT, ARABIC, UNDECODABLE = "<script>alert(1)</script>.jpg", "صورة المعبد ١٢.jpg", "bad\udcffname.jpg"


def box() -> tuple[F64, I32]:
    """A box 2 wide, 3 high and 1 deep that stands on Y = 0, faces turned outwards."""
    vertices = np.array([[x, y, z] for x in (-1, 1) for y in (0, 3) for z in (-0.5, 0.5)], float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], np.int32)
    return vertices, faces


def view(name: str, key: str, centre: tuple[float, float, float]) -> View:
    rotation, translation = look_at(np.array(centre, float), np.array([0, 1.5, 0.0]))
    width, height = SIZE
    lens = Lens(width, height, 300.0, (width - 1) / 2, (height - 1) / 2)
    return View(key, name, lens, rotation, translation, np.arange(8, dtype=np.int32))


def facts(name: str, seed: int) -> PhotoFacts:
    return PhotoFacts(
        name=name, sha256=f"{seed:064x}", size_bytes=1000 + seed, width=SIZE[0], height=SIZE[1], format="jpeg", bits=8,
        colour="rgb", orientation=1, make="Maker", model="Model <1>", lens=None, focal_mm=None, focal_35mm_mm=None,
        focal_px=300.0, focal_source="exif-35mm", taken_at="2008-04-03T10:00:00", gps=(LATITUDE, LONGITUDE, 405.25),
        compass_deg=None, normalised=False, blur=1.0, fingerprint="0" * 64,
    )  # fmt: skip


def picture(seed: int) -> U8:
    coarse = np.random.default_rng(seed).integers(0, 255, (12, 16, 3)).astype(np.uint8)
    large: U8 = cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC)
    return large


def add_photo(space: Workspace, key: str, seed: int) -> None:
    space.photo(key).mkdir(parents=True)
    np.save(space.photo(key) / "working.npy", picture(seed))


def save_model(space: Workspace) -> tuple[Path, Path]:
    vertices, faces = box()
    model, evidence = space.entry("model", "m", ".npz"), space.entry("evidence", "e", ".npz")
    _, page = cv2.imencode(".jpg", picture(9))
    space.save_arrays(
        model, vertices=vertices, faces=faces, uv=np.random.default_rng(2).random((8, 2), np.float32),
        face_page=np.zeros(len(faces), np.int16), page_size=np.array([SIZE], np.int32), page0=page,
    )  # fmt: skip
    classes = np.array([2, 2, 2, 2, 1, 1, 1, 0], np.uint8)
    n = len(vertices)
    space.save_arrays(
        evidence, photos=np.full(n, 3, np.uint16), angle_deg=np.full(n, 20, np.float32),
        gsd=np.full(n, 0.01, np.float32), classes=classes,
    )  # fmt: skip
    return model, evidence


def component(space: Workspace, names: list[str], keys: list[str]) -> ComponentRecord:
    """A component of as many photographs as are named; the second is held out."""
    model, evidence = save_model(space)
    vertices, faces = box()
    places = [(6 * np.sin(a), 1.6, 6 * np.cos(a)) for a in np.linspace(-0.8, 0.8, len(names))]
    views = tuple(view(n, k, p) for n, k, p in zip(names, keys, places, strict=True))
    scores = []
    for row in range(len(views)):
        render = space.root / "scores" / f"{row}.jpg"
        render.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(render), picture(row + 20))
        scores.append(PhotoScore(row, row == 1, Score(0.5 + row / 10, 20.0 + row, 21.0 + row, 0.8), render))
    shares = {EvidenceClass.OBSERVED: 0.616, EvidenceClass.WEAKLY_OBSERVED: 0.344, EvidenceClass.INFERRED: 0.04}
    scene = Scene(views, vertices, np.full(len(vertices), 0.5))
    files = {"model.glb": 12_345_678, "cameras/cameras.txt": 10}
    return ComponentRecord(
        1, ".", scene, (1,), tuple(scores), EvidenceSummary(shares, 3.0, 20.0, 0.01, 0.04), len(vertices), len(faces),
        (SIZE,), ((-1.0, 0.0, -0.5), (1.0, 3.0, 0.5)), files, model, evidence,
    )  # fmt: skip


def run_record(folder: Path) -> RunRecord:
    """A run with a model, and with a file for every verdict there is."""
    space = Workspace(folder / "workspace")
    space.root.mkdir(parents=True)
    names, keys = ["first.jpg", SCRIPT, UNDECODABLE], ["aaa", "bbb", "ccc"]
    for seed, key in enumerate(keys):
        add_photo(space, key, seed)
    used = [
        Verdict(n, Outcome.USED, 8, "points shared with other photos", component=1, held_out=i == 1)
        for i, n in enumerate(names)
    ]
    others = [
        Verdict(ARABIC, Outcome.NO_OVERLAP, 14, "matches with the photo most alike"),
        Verdict("plain.jpg", Outcome.TOO_FEW_FEATURES, 143, "features; 200 are needed"),
        Verdict("b.jpg", Outcome.BLURRED, 9.37, "px, the width of edges; at most 1.8 is usable"),
        Verdict("a;b.jpg", Outcome.DUPLICATE, 12, "of x;y.jpg; bits that differ between the fingerprints"),
        Verdict("d.jpg", Outcome.NO_DEPTH, 1, "photos that see the same"),
        Verdict("t.jpg", Outcome.UNREADABLE, None, "photo-truncated", f"t.jpg in {folder} breaks off. Copy it again."),
    ]
    return RunRecord(
        started_at="2026-11-03T14:05:09+00:00", seconds=41.25, options=Options(), workers=2,
        steps=(StepRecord("photos", 1.0, 0.5, 100.0, 3, 1), StepRecord("depth", 30.0, 50.0, 400.0, 3, 0)),
        verdicts=(*used, *others), photos={k: facts(n, i) for i, (n, k) in enumerate(zip(names, keys, strict=True))},
        names=dict(zip(keys, names, strict=True)), components=(component(space, names, keys),),
        pairs=np.array([[0, 1, 50]], np.int32), mapping_method="incremental", synthetic=False, workspace=space.root,
    )  # fmt: skip


def failed_record(folder: Path) -> RunRecord:
    """The same run, had the photographs not joined."""
    record = run_record(folder)
    error = f"No two of the 9 photographs show enough. What each photo lacked is in {folder}/report.html. [no-overlap]"
    verdicts = tuple(v for v in record.verdicts if v.outcome is not Outcome.USED)
    return replace(record, components=(), verdicts=verdicts, error=error, mapping_method="")
