"""Folds characters that look the same to one: a word is then found in whatever script, width or case it is written."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

MARKS = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
"""Accents. Marks of other scripts are no accents: they tell words apart."""
INVISIBLE = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
"""Categories of invisible characters. Tabs and line ends are among them, and are kept."""
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Invisible characters of other categories."""
SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
LETTER_A = ord("a")


def letters_of(**characters: str) -> dict[int, str]:
    """A table for `str.translate`, of the characters that are written as each letter."""
    return {ord(character): letter for letter, group in characters.items() for character in group}


ENCLOSED = ((0x1F110, 0x1F129), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189), (0x1F1E6, 0x1F1FF))
"""The letters A to Z in brackets, squares, circles and flags; Unicode gives only some of them a plain form."""
PLAIN = letters_of(
    a="ɐɑɒᴀæ", b="ʙƀɓ", c="ƈᴄ", d="đðɗɖᴅ", e="əɛɜᴇ", f="ƒꜰ", g="ɢɠ", h="ħʜɦ", i="ıɪɨ", j="ȷɟᴊ", k="ʞᴋ", l="łʟɭ",
    m="ᴍɯ", n="ɴɲŋ", o="øœᴏɵ", p="þᴘƥ", r="ʀɾɹ", s="ꜱʂ", t="ŧᴛʈ", u="ᴜʊ", v="ᴠʋ", w="ᴡʍ", y="ʏʎ", z="ᴢʐʑ",
)  # fmt: skip
"""Latin letters that no decomposition makes plain."""
MOST_CACHED = 0x30000


class Folding(dict[int, str]):
    """What each character is folded to, by its code point; for `str.translate`. It fills as characters come.

    It takes a character apart (NFKD), and removes its case, its accents and what is invisible; Chinese characters
    become those of `simplified`, which has a Simplified character for Traditional ones.
    """

    def __init__(self, simplified: Mapping[str, str]) -> None:
        super().__init__()
        self._simplified = str.maketrans(dict(simplified))

    def __missing__(self, code: int) -> str:
        folded = self._fold(code)
        if code < MOST_CACHED:  # the planes above are nearly empty, and random text must not fill the memory
            self[code] = folded
        return folded

    def _fold(self, code: int) -> str:
        character = chr(code)
        if character.isspace():
            return "\n" if character in "\n\r\u2028\u2029" else " "
        if _is_invisible(character):
            return ""
        for first, last in ENCLOSED:
            if first <= code <= last:
                return chr(LETTER_A + code - first)
        taken_apart = unicodedata.normalize("NFKD", character).casefold()
        plain = "".join(each for each in taken_apart if not _between(ord(each), MARKS)).translate(PLAIN)
        return plain.translate(self._simplified)


def _is_invisible(character: str) -> bool:
    return (
        unicodedata.category(character) in INVISIBLE
        or character in FILLERS
        or _between(ord(character), SELECTORS)
        or _between(ord(character), MARKS)
    )


def _between(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= code <= last for first, last in ranges)
