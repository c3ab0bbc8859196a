"""The report's words: both languages whole, numbers and counts as each language writes them."""

from __future__ import annotations

import re
import string
from dataclasses import fields

import pytest

from tadmor.engine.options import Format, Options, Quality
from tadmor.engine.progress import STEPS
from tadmor.engine.report.contents import TONES
from tadmor.engine.report.words import LANGUAGES, Words, plural, table
from tadmor.engine.verdicts import Outcome
from tadmor.errors import MESSAGES

# https://cldr.unicode.org: categories that cardinals of the language have
CATEGORIES = {"en": {"one", "other"}, "ar": {"zero", "one", "two", "few", "many", "other"}}


def fields_of(text: str) -> set[str | None]:
    return {field for _, field, _, _ in string.Formatter().parse(text)} - {None}


def test_both_tables_have_the_same_keys_and_fields() -> None:
    english, arabic = table("en"), table("ar")
    assert english.keys() == arabic.keys()
    for key, text in english.items():
        if isinstance(text, str):
            assert fields_of(text) == fields_of(arabic[key]), key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_count_has_the_forms_of_its_language(language: str) -> None:
    for key, forms in table(language).items():
        if key.startswith("count."):
            assert set(forms) == CATEGORIES[language], key


def test_arabic_is_arabic_and_english_is_not() -> None:
    arabic_letter = re.compile(r"[\u0620-\u064a]")
    for key, text in table("ar").items():
        known_everywhere = key.startswith(("files.program.", "options.methods.other", "unit.deg")) or key in {
            "meaning.term.ssim", "likeness.psnr", "likeness.ssim", "likeness.figures", "unit.percent", "date.day",
            "direction",
        }  # fmt: skip
        for part in text.values() if isinstance(text, dict) else [text] if isinstance(text, str) else text:
            assert known_everywhere or arabic_letter.search(part), key
    assert not [key for key, text in table("en").items() if arabic_letter.search(str(text))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_words_for_all_that_a_run_can_say(language: str) -> None:
    words = Words(language)
    wanted = [f"verdicts.{outcome}.{part}" for outcome in Outcome for part in ("title", "text", "advice")]
    wanted += [f"steps.name.{step}" for step in STEPS]
    wanted += [f"options.name.{field.name}" for field in fields(Options)]
    wanted += [f"options.value.{quality}" for quality in Quality]
    wanted += [f"files.{part}.model_{extra}" for extra in Format for part in ("kind", "program")]
    wanted += [f"unreadable.{code}" for code in MESSAGES if code.startswith("photo-")]
    assert [key for key in wanted if not words.knows(key)] == []
    assert {str(outcome) for outcome in Outcome} == set(TONES)


def test_plural_categories_are_those_of_cldr() -> None:
    # samples from CLDR's plural rules chart for Arabic and English
    samples = {"zero": [0], "one": [1], "two": [2], "few": [3, 10, 103, 110, 1003], "many": [11, 26, 99, 111, 1011],
               "other": [100, 102, 200, 202, 500, 1000]}  # fmt: skip
    assert {plural("ar", n) for n in samples["other"]} == {"other"}
    for category, numbers in samples.items():
        assert {plural("ar", n) for n in numbers} == {category}
    assert [plural("en", n) for n in (0, 1, 2, 11, 100)] == ["other", "one", "other", "other", "other"]


def test_numbers_are_written_as_the_language_does() -> None:
    english, arabic = Words("en"), Words("ar")
    assert english.number(1234567.891, 2) == "1,234,567.89"
    assert arabic.number(1234567.891, 2) == "١٬٢٣٤٬٥٦٧٫٨٩"
    assert english.number(-2) == "\u22122"
    assert arabic.digits(2026) == "٢٠٢٦"
    assert english.percent(0.694) == "69%"
    assert arabic.percent(0.694) == "٦٩٪"
    assert english.percent(0.001) == "under 1%"
    assert english.percent(0.0) == "0%"
    assert [english.significant(x) for x in (0.0032847, 12.34, 1234.5, 0, 0.999)] == [
        "0.0033",
        "12",
        "1,200",
        "0",
        "1.0",
    ]


def test_measures_are_written_in_units_that_fit() -> None:
    words = Words("en")
    assert [words.size(n) for n in (10, 20_000, 15_927_452, 626_000_000, 3_200_000_000)] == [
        "1 kB", "20 kB", "15.9 MB", "626 MB", "3.2 GB",
    ]  # fmt: skip
    assert [words.length(x, "m") for x in (0.0032847, 0.25, 12.3)] == ["3.3 mm", "25 cm", "12 m"]
    assert words.length(0.0032847, "unit") == "0.0033 units"
    assert [words.duration(s) for s in (5.23, 41.4, 102, 3725)] == ["5.2 s", "41 s", "1 min 42 s", "1 h 2 min"]


def test_moments_are_told_in_utc() -> None:
    assert Words("en").date("2026-11-03T14:05:09+02:00") == "3 November 2026, 12:05 UTC"
    assert Words("ar").date("2026-08-03T14:05:09+00:00") == "٣ آب ٢٠٢٦، ١٤:٠٥ بالتوقيت العالمي"


def test_fields_are_escaped() -> None:
    assert Words("en")("components.name", number="<b>") == "Model &lt;b&gt;"
