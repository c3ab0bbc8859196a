"""Kinds of option values; a wrong one is a coded error like every other."""

from __future__ import annotations

import math
import re
from typing import Any

import click

from tadmor.errors import UserError


def _refuse(parameter: click.Parameter | None, reason: str) -> UserError:
    option = max(parameter.opts, key=len) if parameter is not None else "the value"
    return UserError("bad-option", option=option, reason=reason)


class Word(click.ParamType[Any]):
    """One of a few words, whatever its case."""

    name = "word"

    def __init__(self, *words: str) -> None:
        self.words = words

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Show the words in the help."""
        return "[" + "|".join(self.words) + "]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word as it is spelt here."""
        word = str(value).strip().lower()
        if word not in self.words:
            raise _refuse(param, f"{value} is none of {', '.join(self.words)}")
        return word


class Words(Word):
    """Some of a few words, with commas between them."""

    name = "words"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Show the words in the help."""
        return ",".join(self.words)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the words, each once, in the order given."""
        given = value if isinstance(value, tuple) else str(value).split(",")
        return tuple(dict.fromkeys(Word.convert(self, word, param, ctx) for word in given if word.strip()))


class Number(click.ParamType[float | int]):
    """A number; `whole` ones only, and none below `least`, where that is asked for."""

    name = "number"

    def __init__(self, *, whole: bool, least: float | None = None) -> None:
        self.whole = whole
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | int:
        """Return an int or a float."""
        try:
            number: float | int = int(value) if self.whole else float(value)
        except ValueError:
            raise _refuse(param, f"{value} is not a {'whole ' if self.whole else ''}number") from None
        if not math.isfinite(number):
            raise _refuse(param, f"{value} is not a finite number")
        if self.least is not None and not number >= self.least:
            raise _refuse(param, f"{value} is less than {self.least:g}")
        return number


class Address(click.ParamType[str]):
    """Where a Dask scheduler listens, for example tcp://10.0.0.5:8786."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address."""
        if not re.fullmatch(r"(tcp|tls|ucx|ws|wss)://[^/\s]+(:\d+)?/?", str(value)):
            raise _refuse(param, f"{value} is not an address such as tcp://10.0.0.5:8786")
        return str(value)
