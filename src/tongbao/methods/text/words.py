"""What a plain phone shows, in Chinese, English and Swahili: `words.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from typing import Any

import msgspec

from tongbao.kernel.errors import Code
from tongbao.methods.text.types import Language


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in each language."""

    zh: str
    en: str
    sw: str


class _All(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    screen: dict[str, Words]
    decline: dict[str, Words]


WORDS = msgspec.convert(tomllib.loads(resources.files(__package__).joinpath("words.toml").read_text(encoding="utf-8")), _All)


class _Filled(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"  # the name, which is put in last


def word(key: str, language: Language, **facts: str) -> str:
    """A text with its facts, but for `{name}`."""
    return _said(WORDS.screen[key], language, facts)


def declined(code: Code, detail: Mapping[str, Any], language: Language) -> str:
    """Why not, on a small screen."""
    facts = {name: f"{value:%d/%m %H:%M}" if isinstance(value, datetime) else value for name, value in detail.items()}
    if code.name in WORDS.decline:
        return _said(WORDS.decline[code.name], language, facts)
    return code.message("zh" if language == "zh" else "en", facts)


def _said(words: Words, language: Language, facts: Mapping[str, Any]) -> str:
    text: str = getattr(words, language)
    return text.format_map(_Filled(facts))
