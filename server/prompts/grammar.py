r"""The grammar of prompts, as far as words in another language must be told from it.

What has a meaning of its own is never translated: `<lora:name:0.8>`, BREAK, AND, brackets, the colon of a weight,
`\(`, `{2$$a|b}`, `__wildcard__`, and what ends a clause: commas, line ends and the like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from models.diffusion.word_match import any_of
from server.prompts.dynamic_prompts import WILDCARD

HAN = "\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""A range of a character class, and so are the next two."""
KANA = "\u3041-\u309f\u30a1-\u30fa\u30fd-\u30ff\u31f0-\u31ff\uff66-\uff9d"
HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\uac00-\ud7ff"
TAG = re.compile(r"<\w+:[^<>\n]*>|<[^<>\s,，、]{1,64}>")
"""A tag with a name in it, such as `<lora:name:0.8>`, or a word of an embedding, such as `<cat>`."""
_SYNTAX = "|".join(
    (
        WILDCARD,
        r"\\[()\[\]{}\\|:]?",  # an escape; a tag after a backslash is a tag
        r"\b(?:BREAK|AND)\b",
        r"\d{0,3}(?:-\d{0,3})?\$\$",  # {2$$a|b|c}: two of them
        r"(?<=[{|$])\s*(?:\d{1,6}(?:\.\d{1,6})?|\.\d{1,6})::",  # {3::a|b}: three times as often
        r"[()\[\]{}<>|:,;!?\"\n\r]",
        r"[\u203b\u2190-\u245f\u2500-\u2bff\U0001f000-\U0001faff]+",  # arrows, hearts, emoji
        rf"(?<=[{HAN}])[~/+&=^*]+|[~/+&=^*]+(?=[{HAN}])",  # not those of f/1.8
        rf"(?<![{HAN}{KANA}])[·・]|[·・](?![{HAN}{KANA}])",  # not those of foreign names
    )
)
KEYWORDS = re.compile(r"\b(?:BREAK|AND)\b")
_HAN, _KANA, _HANGUL = (re.compile(f"[{each}]") for each in (HAN, KANA, HANGUL))
_FOREIGN = re.compile(f"[{HAN}{KANA}{HANGUL}]")
_STYLISH_POSSESSIVE = re.compile(f"(?<=[{HAN}])の(?=[{HAN}])")


@dataclass(slots=True)
class Piece:
    """A piece of a prompt: of its grammar, or words."""

    text: str
    foreign: bool = False
    """Whether it holds words that are not English."""


def split(prompt: str, names: tuple[str, ...] = ()) -> list[Piece]:
    """The pieces of a folded prompt; together they are the prompt. `names` are whole words that stay as they are."""
    pieces: list[Piece] = []
    end = 0
    for match in _kept(names).finditer(prompt):
        if match.start() > end:
            pieces.append(_words(prompt[end : match.start()]))
        pieces.append(Piece(match.group()))
        end = match.end()
    if end < len(prompt):
        pieces.append(_words(prompt[end:]))
    return pieces


@lru_cache(64)
def language_of(prompt: str) -> str:
    """`zh`, `ja` or `ko` by the script of the words outside tags, or `en` for all others."""
    if prompt.isascii():
        return "en"
    words = TAG.sub(" ", prompt)
    if _HANGUL.search(words):
        return "ko"
    if _KANA.search(with_own_possessive(words)):
        return "ja"
    return "zh" if _HAN.search(words) else "en"


def with_own_possessive(prompt: str) -> str:
    """Chinese writers put one Japanese syllable between Chinese words, for the look of it; here it is Chinese again."""
    return _STYLISH_POSSESSIVE.sub("的", prompt)


def foreign_words(text: str) -> str:
    """The first words in Chinese, Japanese or Korean; empty if there are none."""
    match = re.search(f"[{HAN}{KANA}{HANGUL}]+", text)
    return match.group() if match else ""


def _words(text: str) -> Piece:
    return Piece(text, _FOREIGN.search(text) is not None)


@lru_cache(64)
def _kept(names: tuple[str, ...]) -> re.Pattern[str]:
    """Matches each piece that is not words."""
    return re.compile("|".join((TAG.pattern, *([f"(?i:{any_of(names).pattern})"] if names else ()), _SYNTAX)))
