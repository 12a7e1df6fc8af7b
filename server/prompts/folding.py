"""Full-width punctuation as the ASCII that prompts are written in: `（红色：1.3）` means `(红色:1.3)`.

This is not the whole of NFKC, which would rewrite ①, ℃ and ligatures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from server.prompts.grammar import TAG

_FULL_WIDTH = range(0xFF01, 0xFF5F)
_OFFSET = 0xFEE0
_MARKS: dict[int, None] = dict.fromkeys(
    (
        *(code for code in range(0x20) if chr(code) not in "\t\n\r"),
        *range(0x7F, 0xA0),
        0x00AD,
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFE00, 0xFE10),
        0xFEFF,
        *range(0xE0100, 0xE01F0),
    )
)
"""Control characters, marks without width, marks of direction, and selectors of variants."""
_BRACKETS = "「」『』《》〈〉【】〖〗〔〕"
"""Dropped, because they only set words apart. `[ ]` in place of 【】 would weaken the words."""
_TABLE: dict[int, str | None] = {
    **{code: chr(code - _OFFSET) for code in _FULL_WIDTH},
    **dict.fromkeys(map(ord, _BRACKETS)),
    **dict.fromkeys(map(ord, "、。｡､﹐﹑"), ","),
    **dict.fromkeys(map(ord, "…⋯‒–—―\u3000"), " "),
    **dict.fromkeys(map(ord, "“”„‟〝〞"), '"'),
    **dict.fromkeys(map(ord, "‘’‚‛"), "'"),
    **{ord(small): plain for small, plain in zip("﹙﹚﹛﹜﹔﹕﹗", "(){};:!", strict=True)},
}
_SPACES = re.compile(r"[^\S\n\r]{2,}")
_STOPS = frozenset("、。，．")


def fold(prompt: str) -> str:
    """The prompt with ASCII punctuation and without invisible marks.

    An ASCII prompt stays as it is. Names in ASCII angle brackets keep their letters: they are names of files.
    """
    if prompt.isascii():
        return prompt
    return "".join(_pieces(_without_last_stop(prompt.translate(_MARKS))))


def _without_last_stop(prompt: str) -> str:
    rest = prompt.rstrip("、。，． \t\n\r\u3000\xa0")
    return rest if _STOPS & set(prompt[len(rest) :]) else prompt


def _pieces(prompt: str) -> Iterator[str]:
    end = 0
    for match in TAG.finditer(prompt):
        yield _folded(prompt[end : match.start()])
        yield match.group().replace("：", ":")
        end = match.end()
    yield _folded(prompt[end:])


def _folded(text: str) -> str:
    folded = text.translate(_TABLE)
    return folded if folded == text else _SPACES.sub(" ", folded)
