"""The word lists that the audit looks for."""

from __future__ import annotations

from collections.abc import Iterator

from server.audit.word_lists import STARTER, read_word_lists
from server.commands.preflight.finding import Finding
from server.settings import Settings, SettingsError


def check_words(settings: Settings) -> Iterator[Finding]:
    """Nothing is found if HUA_WORDS is not set and HUA_TEXT_AUDIT is off."""
    if settings.words is None and settings.text_audit == "off":
        return
    try:
        lists = read_word_lists(settings.words or STARTER)
    except SettingsError as error:
        yield Finding("word lists", "fail", str(error), "correct the folder; docs/audit.md describes it")
        return
    if not lists.names:
        yield Finding("word lists", "warn", f"HUA_WORDS={settings.words} has no .txt file", "put lists there")
    else:
        yield Finding("word lists", "ok", ", ".join(lists.names))
