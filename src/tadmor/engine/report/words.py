"""Words and numbers of the report in one language, from the tables languages/*.toml.

Counts choose their form by CLDR's plural rules (https://cldr.unicode.org/index/cldr-spec/plural-rules); Arabic text has
Arabic-Indic digits, and everything that programs read keeps Latin ones.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

LANGUAGES = ("en", "ar")
TABLES = Path(__file__).parent / "languages"
_ARABIC_DIGITS = str.maketrans("0123456789.,", "٠١٢٣٤٥٦٧٨٩٫٬")


@cache
def table(language: str) -> Mapping[str, Any]:
    """Return the table of a language with dotted keys; a value is a text, a list of texts or the forms of a count."""
    return dict(_flat(tomllib.loads((TABLES / f"{language}.toml").read_text(encoding="utf-8"))))


def _flat(nested: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in nested.items():
        if isinstance(value, dict) and prefix != "count.":
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((prefix + key, value))
    return rows


def plural(language: str, n: int) -> str:
    """Return the CLDR category of a whole number: zero, one, two, few, many or other."""
    if language == "ar":
        if n in {0, 1, 2}:
            return ("zero", "one", "two")[n]
        return "few" if 3 <= n % 100 <= 10 else "many" if 11 <= n % 100 <= 99 else "other"
    return "one" if n == 1 else "other"


class Words:
    """The texts of one language. Called with a key it gives the text, its fields filled in and escaped for HTML."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.table = table(language)
        self.direction = str(self.table["direction"])

    def __call__(self, key: str, **fields: object) -> Markup:
        """Return the text of `key`. Raises KeyError where the table has no such text or the text wants more fields."""
        return Markup(self.table[key]).format(**fields)  # noqa: S704  # our own tables; fields are escaped by format

    def either(self, key: str, name: str, **fields: object) -> Markup:
        """Return the text of `key.name`, or of `key.other` for names that the table does not know."""
        full = f"{key}.{name}"
        return self(full if full in self.table else f"{key}.other", **fields)

    def knows(self, key: str) -> bool:
        """Whether the table has a text for `key`."""
        return key in self.table

    def count(self, what: str, n: int) -> Markup:
        """Return a number of things, in the form that the number asks for."""
        forms = self.table[f"count.{what}"]
        form = forms.get(plural(self.language, n), forms["other"])
        return Markup(form).format(n=self.number(n))  # noqa: S704  # our own tables

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number with so many decimals and grouped thousands."""
        text = f"{value:,.{digits}f}".replace("-", "\u2212")
        return text.translate(_ARABIC_DIGITS) if self.language == "ar" else text

    def digits(self, value: int) -> str:
        """Return a whole number that is a name (of a photo, a year): no grouping."""
        return self.number(value).replace("٬", "").replace(",", "")

    def significant(self, value: float, figures: int = 2) -> str:
        """Return a number rounded to so many significant figures, never in exponents."""
        if value == 0 or not math.isfinite(value):
            return self.number(0)
        rounded = float(f"{value:.{figures - 1}e}")
        return self.number(rounded, max(0, figures - 1 - math.floor(math.log10(abs(rounded)))))

    def percent(self, share: float) -> Markup:
        """Return a share of 1 in whole percent."""
        if 0 < share < 0.005:
            return self("unit.under_one_percent")
        return self("unit.percent", n=self.number(100 * share))

    def db(self, value: float) -> Markup:
        """Return decibels."""
        return self("unit.db", n=self.number(value, 1))

    def size(self, count: int) -> Markup:
        """Return bytes in decimal units."""
        for unit, scale in (("gb", 1e9), ("mb", 1e6)):
            if count >= scale:
                return self(f"unit.{unit}", n=self.number(count / scale, 0 if count >= 100 * scale else 1))
        return self("unit.kb", n=self.number(max(1, count / 1e3)))

    def length(self, value: float, unit: str, figures: int = 2) -> Markup:
        """Return a length of the model's world to so many significant figures; `unit` is "m" or "unit"."""
        if unit != "m":
            return self("unit.units", n=self.significant(value, figures))
        name, scale = ("m", 1.0) if value >= 1 else ("cm", 100.0) if value >= 0.1 else ("mm", 1000.0)
        return Markup("{} {}").format(self.significant(value * scale, figures), self(f"unit.{name}"))

    def duration(self, seconds: float) -> Markup:
        """Return seconds as people say them."""
        if seconds < 90:
            return self("unit.seconds", n=self.number(seconds, 0 if seconds >= 10 else 1))
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return self("unit.minutes", m=self.number(minutes), s=self.number(rest))
        return self("unit.hours", h=self.number(minutes // 60), m=self.number(minutes % 60))

    def date(self, iso: str) -> Markup:
        """Return an ISO 8601 moment in words, in UTC."""
        clock = f"{datetime.fromisoformat(iso).astimezone(UTC):%H:%M}"
        time = clock.translate(_ARABIC_DIGITS) if self.language == "ar" else clock
        return self("date.text", date=self.day(iso), time=time)

    def day(self, iso: str) -> Markup:
        """Return the day of an ISO 8601 moment in words, in UTC."""
        moment = datetime.fromisoformat(iso).astimezone(UTC)
        month = self.table["date.months"][moment.month - 1]
        return self("date.day", day=self.digits(moment.day), month=month, year=self.digits(moment.year))
