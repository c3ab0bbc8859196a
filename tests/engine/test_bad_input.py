"""What people give by mistake, and the odd but good files that must be used: each with a clear answer."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pycolmap  # after conftest.py has imported the engine
import pytest
import tifffile
import trimesh
from numpy.typing import NDArray
from photo_sets import Remodelled, coarsely
from PIL import Image

from tadmor.engine import Result
from tadmor.engine.job import Job
from tadmor.engine.scene import View
from tadmor.engine.steps import mesh
from tadmor.engine.steps.fuse import Fused
from tadmor.engine.surface.evidence import EvidenceClass
from tadmor.engine.synthetic import Truth, compare_cameras, photograph, two_buildings
from tadmor.engine.synthetic.cameras import Stand, arc
from tadmor.engine.synthetic.monument import arch
from tadmor.engine.verdicts import Outcome, Verdict
from tadmor.errors import UserError

HERE = Path(__file__).parent
ORIENTATION = 0x0112


def verdicts_of(out: Path) -> dict[str, tuple[str, str]]:
    """Outcome and measure by name, as the report of a failed run says."""
    return {v["name"]: (v["outcome"], v["measure"]) for v in json.loads((out / "report.json").read_text())["verdicts"]}


def test_no_photos(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "notes.txt").write_text("nothing to see")
    with pytest.raises(UserError) as caught:
        coarsely([tmp_path / "photos"], tmp_path / "out")
    assert caught.value.code == "no-photos"
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        coarsely([tmp_path / "fotos"], tmp_path / "out")
    assert caught.value.code == "input-missing"
    assert not (tmp_path / "out").exists()


def test_one_photo(tiny: Truth, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        coarsely([tiny.folder / "photo_001.jpg"], tmp_path / "out")
    assert caught.value.code == "one-photo"
    assert caught.value.params["name"] == "photo_001.jpg"
    assert verdicts_of(tmp_path / "out")["photo_001.jpg"][0] == Outcome.NO_OVERLAP
    assert (tmp_path / "out" / "report.html").exists()


def test_nothing_that_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    (tmp_path / "photos" / "b.jpg").write_text("a text")
    with pytest.raises(UserError) as caught:
        coarsely([tmp_path / "photos"], tmp_path / "out")
    assert caught.value.code == "no-usable-photos"
    assert verdicts_of(tmp_path / "out") == {
        "a.jpg": (Outcome.UNREADABLE, "photo-empty"),
        "b.jpg": (Outcome.UNREADABLE, "photo-not-an-image"),
    }


@pytest.fixture(scope="module")
def buildings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, Truth]:
    return two_buildings(tmp_path_factory.mktemp("buildings") / "photos", photos=5, width=480, height=320)


def test_two_photos_without_overlap(buildings: tuple[Truth, Truth], tmp_path: Path) -> None:
    folder = buildings[0].folder
    with pytest.raises(UserError) as caught:
        coarsely([folder / "arch_001.jpg", folder / "house_001.jpg"], tmp_path / "out")
    assert caught.value.code == "no-overlap"
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert told["error"]["code"] == "no-overlap"
    assert [(v["outcome"], v["figure"]) for v in told["verdicts"]] == [(Outcome.NO_OVERLAP, 0)] * 2


def test_two_photos_with_overlap(tiny: Truth, tmp_path: Path) -> None:
    names = ("photo_003.jpg", "photo_005.jpg")
    result = coarsely([tiny.folder / name for name in names], tmp_path / "out")
    (component,) = result.record.components
    one, two = component.scene.views
    true_one, true_two = (tiny.view(name) for name in names)
    turn = (two.rotation @ one.rotation.T) @ (true_two.rotation @ true_one.rotation.T).T
    assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) < 1
    ahead, true_ahead = (
        one.rotation @ (two.centre - one.centre),
        true_one.rotation @ (true_two.centre - true_one.centre),
    )
    cosine = ahead @ true_ahead / np.linalg.norm(ahead) / np.linalg.norm(true_ahead)
    assert np.degrees(np.arccos(cosine)) < 2
    assert component.faces > 1000
    assert component.evidence is not None
    assert component.evidence.area_share[EvidenceClass.OBSERVED] == 0  # that takes three photos
    assert component.evidence.area_share[EvidenceClass.WEAKLY_OBSERVED] > 0.5


def test_photos_from_one_spot(tmp_path: Path) -> None:
    stands = [Stand((0.0, 1.8, 21.0), (x, 4.5, 0.0)) for x in (-5.0, 0.0, 5.0)]
    photos = photograph(arch(0), stands, tmp_path / "photos", width=480, height=320)
    with pytest.raises(UserError) as caught:
        coarsely([photos.folder], tmp_path / "out")
    assert caught.value.code == "no-parallax"
    assert {outcome for outcome, _ in verdicts_of(tmp_path / "out").values()} == {Outcome.NO_DEPTH}


@pytest.fixture(scope="module")
def both(buildings: tuple[Truth, Truth], tmp_path_factory: pytest.TempPathFactory) -> Result:
    return coarsely([buildings[0].folder], tmp_path_factory.mktemp("both") / "out")


def test_two_different_buildings_in_one_folder(buildings: tuple[Truth, Truth], both: Result, tmp_path: Path) -> None:
    result, out = both, Path(shutil.copytree(both.out, tmp_path / "out"))
    found = [{v.name.split("_")[0] for v in c.scene.views} for c in result.record.components]
    assert sorted(found, key=str) == [{"arch"}, {"house"}]
    for component, truth in zip(
        result.record.components, buildings if found[0] == {"arch"} else buildings[::-1], strict=True
    ):
        assert len(component.scene.views) == 5
        assert compare_cameras(truth, component.scene.views).centre_m.mean() < 0.1
        model = trimesh.load(out / component.folder / "model.glb", force="mesh")
        assert len(model.faces) == component.faces > 500
    assert [c.folder for c in result.record.components] == [".", "component-2"]
    told = json.loads((out / "report.json").read_text())
    assert [c["folder"] for c in told["components"]] == [".", "component-2"]
    assert {v["component"] for v in told["verdicts"]} == {1, 2}
    # what is left of the second building is gone once its photos are
    arches = [buildings[0].folder / v.name for v in buildings[0].views]
    coarsely(arches, out)
    assert not (out / "component-2").exists()


@pytest.mark.parametrize("without_surface", [{1}, {2}, {1, 2}])
def test_a_component_without_surface_costs_no_other_its_model(
    without_surface: set[int],
    buildings: tuple[Truth, Truth],
    both: Result,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flat = {v.name for number in without_surface for v in both.record.components[number - 1].scene.views}

    def mesh_unless_flat(job: Job, fused: Fused) -> Path:
        if fused.views[0].name in flat:
            raise UserError("no-surface", count=len(fused.views), workspace=job.workspace.root)
        return run(job, fused)

    run = mesh.run
    monkeypatch.setattr(mesh, "run", mesh_unless_flat)
    shutil.copytree(both.record.workspace, tmp_path / "workspace")
    out = tmp_path / "out"
    names = [v.name for c in both.record.components for v in c.scene.views]
    photos = [buildings[0].folder]
    if without_surface == {1, 2}:
        with pytest.raises(UserError) as caught:
            coarsely(photos, out, workspace=tmp_path / "workspace")
        assert caught.value.code == "no-surface"
    else:
        coarsely(photos, out, workspace=tmp_path / "workspace")
    told = json.loads((out / "report.json").read_text())
    for component in told["components"]:
        failed = component["number"] in without_surface
        assert (component["problem"] or {"code": None})["code"] == ("no-surface" if failed else None)
        assert (component["model"] is None) == failed
    assert (out / "model.glb").exists() == (without_surface != {1, 2})
    assert not list(out.glob("component-*"))
    outcome = {v["name"]: v["outcome"] for v in told["verdicts"]}
    assert outcome == {name: Outcome.NO_DEPTH if name in flat else Outcome.USED for name in names}


@dataclass(frozen=True, eq=False, slots=True)
class Mixed:
    """Eight good photos and what lay among them."""

    result: Result
    truth: Truth

    def verdict(self, name: str) -> Verdict:
        (verdict,) = [v for v in self.result.record.verdicts if v.name == name]
        return verdict


def pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path))


@pytest.fixture(scope="module")
def mixed(tiny: Truth, tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    folder = tmp_path_factory.mktemp("mixed") / "صور وأشياء أخرى"
    folder.mkdir()
    names = [v.name for v in tiny.views]
    named = {names[1]: "قوس النصر.jpg", names[2]: "the arch, from the left (2).jpg"}
    for name in names:
        shutil.copy2(tiny.folder / name, folder / named.get(name, name))
    good = (tiny.folder / names[0]).read_bytes()
    (folder / "truncated.jpg").write_bytes(good[: len(good) // 2])
    (folder / "text.jpg").write_text("Dear colleagues,\nplease find attached the photos.")
    (folder / "empty.jpg").write_bytes(b"")
    Image.new("RGB", (20_000, 4_000), (120, 110, 90)).save(folder / "panorama.jpg", quality=30)
    Image.fromarray(pixels(tiny.folder / names[3])).resize((200, 133)).save(folder / "thumbnail.jpg")
    shutil.copy2(tiny.folder / names[4], folder / "the same again.jpg")
    Image.fromarray(pixels(tiny.folder / names[5])).resize((360, 240)).save(folder / "smaller.jpg", quality=85)
    blurred = cv2.GaussianBlur(pixels(tiny.folder / names[6]), (0, 0), 5)
    Image.fromarray(blurred).save(folder / "blurred.jpg", quality=92)
    Image.fromarray(blurred).resize((1920, 1280)).save(folder / "blurred and enlarged.jpg", quality=92)
    result = coarsely([folder], folder.parent / "النموذج الأول")
    return Mixed(result, tiny)


def test_the_good_photos_among_the_bad_are_used(mixed: Mixed) -> None:
    (component,) = mixed.result.record.components
    used = {v.name for v in mixed.result.record.verdicts if v.outcome == Outcome.USED}
    assert used == {v.name for v in component.scene.views}
    assert len(used) == 8
    assert len(mixed.result.record.verdicts) == 8 + 9


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("truncated.jpg", "photo-truncated"),
        ("text.jpg", "photo-not-an-image"),
        ("empty.jpg", "photo-empty"),
        ("panorama.jpg", "photo-panorama"),
        ("thumbnail.jpg", "photo-too-small"),
    ],
)
def test_a_file_that_cannot_be_used(mixed: Mixed, name: str, code: str) -> None:
    verdict = mixed.verdict(name)
    assert (verdict.outcome, verdict.measure) == (Outcome.UNREADABLE, code)
    assert name in verdict.reason


def test_the_same_photo_twice_under_two_names(mixed: Mixed) -> None:
    copies = [mixed.verdict("the same again.jpg"), mixed.verdict("photo_005.jpg")]
    assert sorted(v.outcome for v in copies) == [Outcome.DUPLICATE, Outcome.USED]
    (copy,) = [v for v in copies if v.outcome == Outcome.DUPLICATE]
    assert copy.figure == 0
    assert "photo_005.jpg" in copy.measure or "the same again.jpg" in copy.measure


def test_a_photo_resized_from_another(mixed: Mixed) -> None:
    verdict = mixed.verdict("smaller.jpg")
    assert verdict.outcome == Outcome.DUPLICATE
    assert "photo_006.jpg" in verdict.measure
    assert mixed.verdict("photo_006.jpg").outcome == Outcome.USED


def test_a_blurred_photo(mixed: Mixed) -> None:
    verdict = mixed.verdict("blurred.jpg")
    assert verdict.outcome == Outcome.BLURRED
    assert verdict.figure is not None
    assert verdict.figure > 1.8


def test_a_blurred_enlargement_does_not_displace_the_sharp_original(mixed: Mixed) -> None:
    assert mixed.verdict("blurred and enlarged.jpg").outcome == Outcome.BLURRED
    assert mixed.verdict("photo_007.jpg").outcome == Outcome.USED


def test_names_in_arabic_and_with_spaces(mixed: Mixed) -> None:
    for name in ("قوس النصر.jpg", "the arch, from the left (2).jpg"):
        assert mixed.verdict(name).outcome == Outcome.USED
    told = json.loads((mixed.result.out / "report.json").read_text())
    assert "قوس النصر.jpg" in {v["photo"] for v in told["components"][0]["views"]}
    names = {v.name for v in mixed.result.record.components[0].scene.views}
    read_back = pycolmap.Reconstruction(mixed.result.out / "cameras")
    assert {image.name for image in read_back.images.values()} == names
    text = (mixed.result.out / "cameras" / "images.txt").read_text(encoding="utf-8")
    assert all(name in text for name in names)


def saved_turned(photo: Path, target: Path, orientation: int) -> None:
    """Save a photo as a camera does that was held otherwise: pixels turned, EXIF saying how to turn them back."""
    turns = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    with Image.open(photo) as image:
        tags = image.getexif()
        tags[ORIENTATION] = orientation
        image.transpose(turns[orientation]).save(target, quality=92, exif=tags)


def deep(path: Path) -> NDArray[np.uint16]:
    """16 bits a channel, RGB."""
    return pixels(path).astype(np.uint16) * 257


FORMS: dict[str, tuple[str, Callable[[Path, Path], object]]] = {
    "a CMYK JPEG": ("photo_001.jpg", lambda a, b: Image.open(a).convert("CMYK").save(b, quality=92)),
    "a 16-bit TIFF": ("photo_002.tif", lambda a, b: tifffile.imwrite(b, deep(a), photometric="rgb")),
    "a 16-bit PNG": ("photo_003.png", lambda a, b: cv2.imwrite(str(b), deep(a)[..., ::-1])),
    "a HEIC": ("photo_004.heic", lambda _, b: shutil.copy2(HERE / "fixtures" / b.name, b)),
    "a greyscale scan": ("photo_005.jpg", lambda a, b: Image.open(a).convert("L").save(b, quality=92)),
    "a 16-bit greyscale scan": ("photo_006.tif", lambda a, b: tifffile.imwrite(b, deep(a)[..., 1])),
    "a photo stored upside down": ("photo_007.jpg", lambda a, b: saved_turned(a, b, 3)),
    "a WebP": ("photo_008.webp", lambda a, b: Image.open(a).save(b, quality=92)),
    "a portrait turned right": ("portrait_001.jpg", lambda a, b: saved_turned(a, b, 6)),
    "a portrait turned left": ("portrait_002.jpg", lambda a, b: saved_turned(a, b, 8)),
}


@dataclass(frozen=True, eq=False, slots=True)
class Forms:
    """Photos of one monument in ten forms, and their model; views are named as in the truth."""

    result: Result
    truth: Truth
    views: dict[str, View]


@pytest.fixture(scope="module")
def forms(tiny: Truth, tmp_path_factory: pytest.TempPathFactory) -> Forms:
    folder = tmp_path_factory.mktemp("forms")
    stands = arc(4, radius=20.5, degrees=40.0, height=1.8, target=(0.0, 5.2, 0.0), seed=5)
    upright = photograph(arch(0), stands[1:3], folder / "upright", width=320, height=480, prefix="portrait")
    truth = replace(tiny, views=(*tiny.views, *upright.views))
    (folder / "photos").mkdir()
    for name, convert in FORMS.values():
        source = (upright if name.startswith("portrait") else tiny).folder / f"{Path(name).stem}.jpg"
        convert(source, folder / "photos" / name)
    result = coarsely([folder / "photos"], folder / "out")
    views = {v.name: v for c in result.record.components for v in c.scene.views}
    return Forms(result, truth, views)


@pytest.mark.parametrize("form", FORMS)
def test_it_is_used(forms: Forms, form: str) -> None:
    name = FORMS[form][0]
    (verdict,) = [v for v in forms.result.record.verdicts if v.name == name]
    assert (verdict.outcome, verdict.component) == (Outcome.USED, 1)
    view = forms.views[name]
    true = forms.truth.view(f"{Path(name).stem}.jpg")
    assert (view.lens.width, view.lens.height) == (true.lens.width, true.lens.height)
    assert -view.rotation[1] @ [0, 1, 0] > 0.95  # the photo's top is up
    assert view.lens.focal_px == pytest.approx(true.lens.focal_px, rel=0.03)


def test_the_forms_do_not_move_the_cameras(forms: Forms) -> None:
    named = [replace(v, name=f"{Path(v.name).stem}.jpg") for v in forms.views.values()]
    errors = compare_cameras(forms.truth, named)
    assert errors.centre_m.mean() < 0.1
    assert errors.rotation_deg.max() < 1.2


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root reads everything, so work as somebody else."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_cannot_be_read() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to others as a whole
        photos = Path(folder, "photos", "private")
        photos.mkdir(parents=True)
        Path(folder).chmod(0o755)
        photos.chmod(0)
        for given in (photos, photos.parent):
            with as_nobody(), pytest.raises(UserError) as caught:
                coarsely([given], Path(folder, "out"))
            assert caught.value.code == "input-unreadable"
            assert caught.value.params == {"path": str(photos), "reason": "Permission denied"}
        photos.chmod(0o700)
        assert not Path(folder, "out").exists()


def test_an_output_folder_that_holds_another_run(
    tiny: Truth, tiny_remodelled: Remodelled, buildings: tuple[Truth, Truth], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(tiny_remodelled.out, tmp_path / "out"))
    before = (out / "model.glb").read_bytes()
    with pytest.raises(UserError) as caught:
        coarsely([buildings[1].folder], out)
    assert caught.value.code == "output-holds-another-run"
    assert (out / "model.glb").read_bytes() == before
    # nor where the workspace is elsewhere and knows of these photos
    elsewhere = shutil.copytree(out / "workspace", tmp_path / "workspace")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError) as caught:
        coarsely([tiny.folder], tmp_path / "mine", workspace=elsewhere)
    assert caught.value.code == "output-holds-another-run"


def test_an_output_folder_with_foreign_files(tiny: Truth, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError) as caught:
        coarsely([tiny.folder], out)
    assert caught.value.code == "output-holds-another-run"
    assert [p.name for p in out.iterdir()] == ["thesis.txt"]
    with pytest.raises(UserError) as caught:  # the folder of the photos is no place for the model either
        coarsely([tiny.folder], tiny.folder)
    assert caught.value.code == "output-holds-another-run"
    assert len(list(tiny.folder.iterdir())) == 8


def test_overwriting_replaces_what_was_ours_and_leaves_the_rest(
    tiny_remodelled: Remodelled, buildings: tuple[Truth, Truth], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(tiny_remodelled.out, tmp_path / "out"))
    (out / "thesis.txt").write_text("years of work")
    (out / "model.obj").write_text("# of the model before")
    (out / "model_front.jpg").write_bytes(b"a screenshot")
    houses = [buildings[1].folder / v.name for v in buildings[1].views]
    result = coarsely(houses, out, overwrite=True)
    assert {v.name for v in result.record.components[0].scene.views} == {p.name for p in houses}
    assert (out / "thesis.txt").read_text() == "years of work"
    assert (out / "model_front.jpg").exists()
    assert not (out / "model.obj").exists()
    assert result.record.components[0].files is not None
    assert set(result.record.components[0].files) >= {"model.glb", "cameras/images.txt"}
    assert not {"thesis.txt", "model_front.jpg", "model.obj"} & set(result.record.components[0].files)


def test_earlier_results_among_the_photos_are_not_taken_for_photos(
    tiny: Truth, tiny_remodelled: Remodelled, tmp_path: Path
) -> None:
    photos = Path(shutil.copytree(tiny.folder, tmp_path / "photos"))
    draft = Path(shutil.copytree(tiny_remodelled.out, photos / "draft"))
    assert len(list(draft.rglob("*.jpg"))) > 8
    (photos / "half done").mkdir()
    shutil.copytree(draft / "workspace", photos / "half done" / "workspace")
    result = coarsely([photos], photos / "again", workspace=draft / "workspace")
    assert [v.name for v in result.record.verdicts] == [v.name for v in tiny.views]
    assert {v.outcome for v in result.record.verdicts} == {Outcome.USED}
