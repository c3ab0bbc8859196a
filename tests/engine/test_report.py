"""report.json against its schema; report.html for names, languages, privacy, self-containment and size."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from report_record import (
    ARABIC,
    LATITUDE,
    LONGITUDE,
    SCRIPT,
    UNDECODABLE,
    add_photo,
    component,
    facts,
    failed_record,
    run_record,
)

from tadmor.engine import report
from tadmor.engine.options import Options
from tadmor.engine.record import RunRecord
from tadmor.engine.report.document import document
from tadmor.engine.report.words import LANGUAGES
from tadmor.engine.surface.rendering import Score
from tadmor.engine.verdicts import Outcome, Verdict
from tadmor.engine.workspace import Workspace
from tadmor.media.photo_search import printable

SCHEMA_FILE = Path(report.__file__).parent / "report.schema.json"
DOCS = Path(__file__).parents[2] / "docs" / "formats" / "report.md"
VOID = {"meta", "link", "br", "input", "img", "hr"}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA_FILE.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, Path]:
    out = tmp_path_factory.mktemp("out")
    record = run_record(out)
    assert report.write(record, out) == out / "report.html"
    return record, out


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, Path]:
    out = tmp_path_factory.mktemp("failed")
    record = failed_record(out)
    report.write(record, out)
    return record, out


class Page(HTMLParser):
    """A strict reader: every element is closed in its turn; keeps tags, attributes, ids and the text by language."""

    def __init__(self, file: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = dict.fromkeys(LANGUAGES, "")
        self.feed(file.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert len(found) == len(attrs), f"attribute given twice in {tag}"
        self.tags.append((tag, found))
        if tag not in VOID:
            self.open.append((tag, found.get("lang") or (self.open[-1][1] if self.open else "en")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"stray </{tag}>"
        assert self.open[-1][0] == tag, f"</{tag}> closes {self.open[-1][0]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] not in {"style", "title"}:
            self.text[self.open[-1][1]] += data


def load(out: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((out / "report.json").read_bytes().decode("utf-8"))
    return loaded


# ---------- report.json ----------


def test_a_run_with_a_model_keeps_to_the_schema(run: tuple[RunRecord, Path], validator: Draft202012Validator) -> None:
    validator.validate(load(run[1]))


def test_a_failed_run_keeps_to_the_schema(failed: tuple[RunRecord, Path], validator: Draft202012Validator) -> None:
    told = load(failed[1])
    validator.validate(told)
    assert told["error"]["code"] == "no-overlap"
    assert told["components"] == []
    assert told["mapping_method"] is None


def test_the_schema_refuses_what_it_does_not_know(run: tuple[RunRecord, Path], validator: Draft202012Validator) -> None:
    told = load(run[1])
    told["photos"][0]["gps"] = [LATITUDE, LONGITUDE]
    assert not validator.is_valid(told)
    told = load(run[1])
    del told["components"][0]["evidence"]["median_gsd"]
    assert not validator.is_valid(told)


def test_values_are_those_of_the_record(run: tuple[RunRecord, Path]) -> None:
    record, out = run
    told = load(out)
    first = told["components"][0]
    centres = np.array([v["centre"] for v in first["views"]])
    assert np.allclose(centres, record.components[0].scene.centres, rtol=1e-6, atol=1e-9)
    assert [v["held_out"] for v in first["views"]] == [False, True, False]
    assert first["evidence"]["area_share"] == {"observed": 0.616, "weakly_observed": 0.344, "inferred": 0.04}
    # of coverages 0.5, 0.6, 0.7 and PSNR 20, 21, 22 the middle one is held out
    assert first["mean_held_out"] == {"photos": 1, "coverage": 0.6, "psnr_db": 21.0, "psnr_fit_db": 22.0, "ssim": 0.8}
    assert first["mean_input"] == {"photos": 2, "coverage": 0.6, "psnr_db": 21.0, "psnr_fit_db": 22.0, "ssim": 0.8}
    assert [v["name"] for v in told["verdicts"]] == [printable(v.name) for v in record.verdicts]
    assert told["photos"][0]["sha256"] == "0" * 64


def test_a_photo_hardly_covered_has_no_likeness(run: tuple[RunRecord, Path], validator: Draft202012Validator) -> None:
    record, out = run
    first = record.components[0]
    scores = (first.scores[0], replace(first.scores[1], score=Score(0.005, 0.0, 0.0, 0.0)), first.scores[2])
    told = document(replace(record, components=(replace(first, scores=scores),)), out)
    validator.validate(told)
    assert told["components"][0]["scores"][1]["psnr_db"] is None
    assert told["components"][0]["mean_held_out"]["psnr_db"] is None
    assert told["components"][0]["mean_held_out"]["coverage"] == 0.005


def test_numbers_that_json_lacks_become_null(run: tuple[RunRecord, Path]) -> None:
    record, out = run
    odd = replace(record, verdicts=(Verdict("a.jpg", Outcome.BLURRED, float("inf"), "px"),), components=())
    assert document(odd, out)["verdicts"][0]["figure"] is None


def test_the_format_is_documented(validator: Draft202012Validator) -> None:
    text = DOCS.read_text()

    def names(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            yield from schema.get("properties", {})
            for value in schema.values():
                yield from names(value)
        elif isinstance(schema, list):
            for value in schema:
                yield from names(value)

    missing = {name for name in names(validator.schema) if f"`{name}`" not in text}
    missing |= {str(outcome) for outcome in Outcome if f"`{outcome}`" not in text}
    assert missing == set()


# ---------- report.html ----------


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_file_is_named_in_both_languages(
    run: tuple[RunRecord, Path], failed: tuple[RunRecord, Path], language: str
) -> None:
    for record, out in (run, failed):
        text = Page(out / "report.html").text[language]
        assert [v.name for v in record.verdicts if printable(v.name) not in text] == []


def test_names_are_text_not_markup(run: tuple[RunRecord, Path]) -> None:
    page = Page(run[1] / "report.html")
    assert "script" not in {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    for name in (SCRIPT, ARABIC, printable(UNDECODABLE)):
        assert name in page.text["en"]


def test_what_a_verdict_needs_is_said(run: tuple[RunRecord, Path]) -> None:
    page = Page(run[1] / "report.html")
    assert "200 are needed" in page.text["en"]
    assert "المطلوب ٢٠٠" in page.text["ar"]
    assert "The same picture as x;y.jpg" in page.text["en"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_result_is_said_with_its_figures(run: tuple[RunRecord, Path], language: str) -> None:
    text = Page(run[1] / "report.html").text[language]
    for figure in {"en": ("62%", "34%", "4%", "21.0 dB"), "ar": ("٦٢٪", "٣٤٪", "٤٪", "٢١٫٠ ديسيبل")}[language]:
        assert figure in text


def test_the_failed_page_says_what_happened_what_is_safe_and_what_to_do(failed: tuple[RunRecord, Path]) -> None:
    page = Page(failed[1] / "report.html")
    for words in ("What happened", "What is safe", "What to do now", "no-overlap"):
        assert words in page.text["en"]
    for words in ("ما حدث", "ما هو في أمان", "ما العمل الآن"):
        assert words in page.text["ar"]


def test_an_error_unknown_to_the_words_still_has_a_page(failed: tuple[RunRecord, Path], tmp_path: Path) -> None:
    report.write(replace(failed[0], error="The <disk> said no."), tmp_path)
    assert "The <disk> said no." in Page(tmp_path / "report.html").text["en"]


def test_nothing_is_loaded_from_outside(run: tuple[RunRecord, Path], failed: tuple[RunRecord, Path]) -> None:
    for _, out in (run, failed):
        source = (out / "report.html").read_text()
        for tag, attributes in Page(out / "report.html").tags:
            for name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
                target = attributes.get(name)
                if target is None:
                    continue
                assert re.match(r"#|data:|[A-Za-z0-9_%./-]+$", target), (tag, target[:80])
                assert not target.startswith(("/", ".."))
                assert ":" not in target or target.startswith("data:")
        assert "@import" not in source
        assert re.findall(r"url\((?!#|data:)", source) == []
        assert "http" not in re.sub(r"data:[^\"]*|http-equiv", "", source)


def test_every_reference_within_the_page_finds_its_mark(run: tuple[RunRecord, Path]) -> None:
    tags = Page(run[1] / "report.html").tags
    ids = [str(a["id"]) for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    wanted = {str(a["href"])[1:] for _, a in tags if str(a.get("href", "")).startswith("#")}
    wanted |= {str(a["aria-labelledby"]) for _, a in tags if "aria-labelledby" in a}
    assert wanted <= set(ids)
    assert {"model-1", "evidence-light", "evidence-dark", "shadow", "photo-bbb", "render-bbb", "thumb-ccc"} <= set(ids)


def test_pictures_say_what_they_show(run: tuple[RunRecord, Path]) -> None:
    drawings = [a for tag, a in Page(run[1] / "report.html").tags if tag == "svg"]
    assert drawings
    assert [
        a for a in drawings if a.get("aria-hidden") != "true" and not (a.get("role") == "img" and a.get("aria-label"))
    ] == []


def test_no_position_from_gps_is_told(run: tuple[RunRecord, Path]) -> None:
    _, out = run
    html, data = (out / "report.html").read_text(), (out / "report.json").read_text()
    for secret in (f"{LATITUDE:.3f}"[:-1], f"{LONGITUDE:.3f}"[:-1], "405.2"):
        assert secret not in re.sub(r"data:[^\"]*", "", html)
        assert secret not in data
    pictures = re.findall(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)", html)
    assert len(pictures) == 13  # 3 thumbnails, 3 photos and renders, the model, its evidence twice, the plan's shadow
    assert not any(mark in base64.b64decode(p) for p in pictures for mark in (b"Exif", b"EXIF", b"http://ns.adobe.com"))


def test_no_path_of_the_machine_is_told(run: tuple[RunRecord, Path], failed: tuple[RunRecord, Path]) -> None:
    for _, out in (run, failed):
        for name in ("report.html", "report.json"):
            assert str(out) not in (out / name).read_text()
    assert "is in report.html" in load(failed[1])["error"]["message"]


def test_other_components_are_listed_with_their_pictures_or_problems(
    run: tuple[RunRecord, Path], validator: Draft202012Validator, tmp_path: Path
) -> None:
    record = run[0]
    second = replace(record.components[0], number=2, folder="component-2")
    third = replace(
        record.components[0], number=3, folder="component-3", held_out=(), scores=(), evidence=None, faces=0,
        bounds=None, files=None, model_entry=None, evidence_entry=None,
        problem="No surface could be measured. [no-surface]",
    )  # fmt: skip
    report.write(replace(record, components=(record.components[0], second, third), synthetic=True), tmp_path)
    validator.validate(load(tmp_path))
    page = Page(tmp_path / "report.html")
    assert "component-2/model.glb" in {a.get("href") for tag, a in page.tags if tag == "a"}
    assert "model-2" in {a.get("id") for tag, a in page.tags if tag == "image"}
    assert "No surface could be measured." in page.text["en"]
    assert "and 2 smaller models" in page.text["en"]
    assert "Synthetic" in page.text["en"]
    assert "اصطناعي" in page.text["ar"]


def test_without_held_out_photos_the_page_says_so(run: tuple[RunRecord, Path], tmp_path: Path) -> None:
    first = run[0].components[0]
    scores = tuple(replace(s, held_out=False) for s in first.scores)
    bare = replace(run[0], components=(replace(first, scores=scores, held_out=()),), options=Options(holdout=0))
    report.write(bare, tmp_path)
    assert "That flatters the model" in Page(tmp_path / "report.html").text["en"]


def test_two_hundred_photos_make_a_page_of_modest_size(tmp_path: Path) -> None:
    record = run_record(tmp_path)
    space = Workspace(record.workspace)
    names, keys = [f"IMG_{i:04d}.JPG" for i in range(200)], [f"k{i:03d}" for i in range(200)]
    for i, key in enumerate(keys):
        add_photo(space, key, i)
    verdicts = tuple(Verdict(n, Outcome.USED, 8, "points shared with other photos", component=1) for n in names)
    many = replace(
        record, verdicts=verdicts, photos={k: facts(n, 1) for k, n in zip(keys, names, strict=True)},
        names=dict(zip(keys, names, strict=True)), components=(component(space, names, keys),),
    )  # fmt: skip
    page = report.write(many, tmp_path)
    assert page.stat().st_size < 12e6
    assert {f"thumb-{k}" for k in keys} <= {a.get("id") for tag, a in Page(page).tags if tag == "image"}
