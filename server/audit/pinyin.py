"""Chinese words in Latin letters, if the package pypinyin is installed."""

from __future__ import annotations

import logging
from functools import cache

log = logging.getLogger(__name__)
MIN_LENGTH = 4
"""Letters. Shorter spellings are words of other languages too often."""


def syllables(word: str) -> tuple[str, ...]:
    """The spelling of a Chinese word without tones; nothing for other words."""
    if word.isascii() or not _is_installed():
        return ()
    from pypinyin import lazy_pinyin

    spelling = "".join(lazy_pinyin(word)).replace("ü", "v")
    return (spelling,) if len(spelling) >= MIN_LENGTH and spelling.isascii() and spelling.isalpha() else ()


@cache
def _is_installed() -> bool:
    try:
        import pypinyin  # noqa: F401
    except ImportError:
        log.warning("a word list asks for pinyin, but the package is not installed; install hua[pinyin]")
        return False
    return True
