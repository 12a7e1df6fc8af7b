"""Checks what an engine says about a clause. Its words come from a model or from another server, so nothing in them may
act as the grammar of a prompt."""

from __future__ import annotations

import re
from itertools import groupby

from server.prompts.grammar import HAN, HANGUL, KANA, KEYWORDS

_SYNTAX = re.compile(r'[()\[\]{}<>|\\:"“”]|\$\$|_{2,}|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f]')
_FOREIGN = re.compile(f"[{HAN}{KANA}{HANGUL}]")
_LETTER = re.compile("[A-Za-z]")
_ENDS = " \t.,;!?"
MOST_REPEATS = 3
"""How often one word may follow itself."""


def clean(words: str) -> str:
    """The words of an engine without what is syntax in a prompt, and without the stop of a sentence."""
    plain = KEYWORDS.sub(lambda match: match.group().lower(), _SYNTAX.sub(" ", words))
    return " ".join(plain.split()).strip(_ENDS)


def is_english(words: str) -> bool:
    """Whether there are letters, and no characters of another script that would have to be translated."""
    return bool(_LETTER.search(words)) and not _FOREIGN.search(words)


def is_babble(clause: str, words: str) -> bool:
    """Whether cleaned words cannot be a translation of the clause: they are too long, or repeat one word."""
    if not is_english(words) or len(words) > 4 * len(clause) + 20:
        return True
    return any(len(list(group)) > MOST_REPEATS for _, group in groupby(words.lower().split()))


def without_capital(clause: str, words: str) -> str:
    """Without the capital that begins a sentence, unless the word is in the clause or is all in capitals."""
    first = words.partition(" ")[0]
    return words if first[1:].isupper() or first in clause else words[:1].lower() + words[1:]
