"""The page's pictures, small and encoded: thumbnails, model beside photo, the overview and the plan's shadow."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tadmor.engine.record import ComponentRecord, RunRecord
from tadmor.engine.report.evidence_drawing import DARK, LIGHT, draw_evidence, face_classes, headlight
from tadmor.engine.report.overview import Overview, choose_overview
from tadmor.engine.scene import U8, Bool, Lens, View
from tadmor.engine.steps.evidence import load_evidence
from tadmor.engine.steps.photos import working_picture
from tadmor.engine.steps.quality import PhotoScore
from tadmor.engine.surface.raster import rasterise
from tadmor.engine.surface.rendering import Model, bent, render
from tadmor.engine.workspace import Workspace

OVERVIEW_PX, SMALL_OVERVIEW_PX = 960, 480
OVERSAMPLING = 1.5
PAIR_PX, THUMB_PX, SMALL_THUMB_PX = 560, 168, 112
MANY_THUMBS, MOST_THUMBS = 100, 1000
MOST_HELD_OUT, MOST_OTHERS = 8, 4
MOST_PAGE_PIXELS = 16e6
JPEG_QUALITY, WEBP_QUALITY = 78, 80


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture. `key` names it within the page."""

    key: str
    width: int
    height: int
    mime: str
    data: bytes

    @property
    def uri(self) -> str:
        """The picture as a data: URI."""
        return f"data:{self.mime};base64,{base64.b64encode(self.data).decode('ascii')}"


class Album:
    """The pictures of one page, each stored once, however often it is shown."""

    def __init__(self) -> None:
        self._pictures: dict[str, Picture] = {}

    def add(self, key: str, picture: U8) -> None:
        """Encode (h, w, 3) uint8 BGR as JPEG, (h, w, 4) BGRA as WebP."""
        if picture.shape[2] == 4:
            mime, suffix, options = "image/webp", ".webp", [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY]
        else:
            mime, suffix, options = "image/jpeg", ".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        _, data = cv2.imencode(suffix, picture, options)
        self._pictures[key] = Picture(key, picture.shape[1], picture.shape[0], mime, data.tobytes())

    def get(self, key: str) -> Picture | None:
        """The picture of this key, or None where the run left none."""
        return self._pictures.get(key)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self._pictures.values())


def chosen_pairs(component: ComponentRecord) -> list[PhotoScore]:
    """The photos to show beside the model: those held out first, then some of the others, spread evenly."""
    held_out = [s for s in component.scores if s.held_out]
    others = [s for s in component.scores if not s.held_out]
    return _spread(held_out, MOST_HELD_OUT) + _spread(others, MOST_OTHERS if held_out else MOST_HELD_OUT)


def _spread(scores: list[PhotoScore], most: int) -> list[PhotoScore]:
    if len(scores) <= most:
        return scores
    return [scores[i] for i in np.linspace(0, len(scores) - 1, most).round().astype(int)]


def add_thumbs(album: Album, record: RunRecord) -> None:
    """Add `thumb-<photo>` of every photo, and `photo-<photo>` of those shown beside the model."""
    space = Workspace(record.workspace)
    width = THUMB_PX if len(record.photos) <= MANY_THUMBS else SMALL_THUMB_PX
    first = record.components[0] if record.components else None
    paired = {first.scene.views[s.row].photo for s in chosen_pairs(first)} if first else set()
    for photo in list(record.photos)[:MOST_THUMBS]:
        picture = working_picture(space, photo)
        if photo in paired:
            picture = fitted(picture, PAIR_PX)
            album.add(f"photo-{photo}", picture)
        album.add(f"thumb-{photo}", fitted(picture, width))


def add_renders(album: Album, component: ComponentRecord, model: Model) -> None:
    """Add `render-<photo>` of the photos shown beside the model: the quality step's picture, transparent where the
    model shows nothing.
    """
    for scored in chosen_pairs(component):
        view = component.scene.views[scored.row]
        rendered = cv2.imread(str(scored.render), cv2.IMREAD_COLOR)
        if rendered is None:
            continue
        height, width = rendered.shape[:2]
        small = min(width, PAIR_PX)
        hit = _covered(model, view, view.lens.scaled_to(small, max(1, round(height * small / width))))
        picture = cv2.resize(rendered, hit.shape[::-1], interpolation=cv2.INTER_AREA)
        album.add(f"render-{view.photo}", np.dstack([picture, np.where(hit, 255, 0).astype(np.uint8)]))


def _covered(model: Model, view: View, lens: Lens) -> Bool:
    """Where a photo's camera sees the model (h, w), without the outermost pixel, which is mixed with black."""
    points = bent(model.vertices @ view.rotation.T + view.translation, lens)
    _, face = rasterise(points, model.faces, lens.focal_px, lens.cx, lens.cy, lens.width, lens.height)
    inner: Bool = cv2.erode((face >= 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return inner


def fitted(picture: U8, width: int) -> U8:
    """Scale a picture down to a width, keeping its shape; a smaller one stays as it is."""
    if picture.shape[1] <= width:
        return picture
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    small: U8 = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return small


def add_overview(album: Album, component: ComponentRecord, model: Model) -> Overview:
    """Add `model-<number>`, and of the first component the same view in evidence colours, `evidence-light` and
    `evidence-dark`; returns where they are seen from.
    """
    assert component.evidence_entry is not None
    classes = load_evidence(component.evidence_entry).classes
    overview = choose_overview(component.scene, model.vertices, model.faces, classes)
    first = component.number == 1
    width = OVERVIEW_PX if first else SMALL_OVERVIEW_PX
    lens = overview.lens(round(width * OVERSAMPLING))
    picture, hit, face = render(model, lens, overview.rotation, overview.translation)
    album.add(f"model-{component.number}", scaled_with_edges(picture, hit, width))
    if first:
        of_face = face_classes(model.faces, classes).astype(np.int32)
        pixel_class = np.where(hit, of_face[np.maximum(face, 0)], -1)
        shade = headlight(model.vertices, model.faces, face, overview.rotation)
        drawings = draw_evidence(pixel_class, shade, (LIGHT, DARK), px=OVERSAMPLING)
        for name, drawn in zip(("light", "dark"), drawings, strict=True):
            album.add(f"evidence-{name}", scaled_with_edges(drawn, hit, width))
    return overview


def small_model(entry: Path) -> Model:
    """The textured model with its pages decoded at half, a quarter or an eighth of their size, enough for a picture."""
    stored = Workspace.load_arrays(entry)
    pixels = float((stored["page_size"].astype(np.float64).prod(1)).sum())
    flag = cv2.IMREAD_COLOR
    for smaller in (cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_COLOR_8):
        if pixels <= MOST_PAGE_PIXELS:
            break
        pixels, flag = pixels / 4, smaller
    pages = []
    for number in range(len(stored["page_size"])):
        page = cv2.imdecode(stored[f"page{number}"], flag)
        assert page is not None
        pages.append(page.astype(np.uint8, copy=False))
    return Model(stored["vertices"], stored["faces"], stored["uv"], stored["face_page"], tuple(pages))


def scaled_with_edges(picture: U8, hit: Bool, width: int) -> U8:
    """Scale (h, w, 3) down to (., width, 4) BGRA whose transparency is where `hit` (h, w) is false, without dark
    fringes: colours are averaged over what is hit alone.
    """
    height = round(picture.shape[0] * width / picture.shape[1])
    size = (width, height)
    share = cv2.resize(hit.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(picture * hit[..., None].astype(np.float32), size, interpolation=cv2.INTER_AREA)
    scaled = np.zeros((height, width, 4), np.uint8)
    scaled[..., :3] = np.clip(np.rint(colour / np.maximum(share, 1e-6)[..., None]), 0, 255)
    scaled[..., 3] = np.rint(255 * share)
    return scaled
