"""Reads infotext: the prompt, the negative prompt and a line of settings, as A1111 writes them into its images."""

from __future__ import annotations

import json
import re
from typing import Any

NEGATIVE = "Negative prompt:"
PROMPT_NAME, NEGATIVE_NAME = "Prompt", "Negative prompt"
_NAME = re.compile(r"\s*+([\w /-]++):\s*+")
_QUOTED = re.compile(r'"(?:[^\\"]|\\.)*+"')
_SETTINGS_LINE = re.compile(r"^Steps: \d+, ")
LEAST_SETTINGS = 3
"""So many make the last line one of settings; a prompt may have a colon, too."""


def read_infotext(text: str) -> dict[str, Any]:
    """The settings by the names that the text has, with `Prompt` and `Negative prompt`; sizes also in parts."""
    *lines, last = text.strip().split("\n")
    if not _is_settings(last):
        lines, last = [*lines, last], ""
    prompt: list[str] = []
    negative: list[str] = []
    is_negative = False
    for line in lines:
        if line.startswith(NEGATIVE):
            line, is_negative = line.removeprefix(NEGATIVE).strip(), True
        (negative if is_negative else prompt).append(line)
    settings = _settings(last)
    for name, value in list(settings.items()):
        if size := re.fullmatch(r"(\d+)x(\d+)", value):
            settings |= {f"{name}-1": size[1], f"{name}-2": size[2]}
    return {PROMPT_NAME: "\n".join(prompt).strip(), NEGATIVE_NAME: "\n".join(negative).strip(), **settings}


def _is_settings(line: str) -> bool:
    return bool(_SETTINGS_LINE.match(line)) or len(_settings(line)) >= LEAST_SETTINGS


def _settings(line: str) -> dict[str, str]:
    """The settings of `name: value, name: value`. What is no setting is skipped, up to the next comma.

    It takes time in proportion to the line, which may be hostile: nothing is looked at twice, and no closing quote is
    looked for after there was none.
    """
    found: dict[str, str] = {}
    at, has_quotes = 0, True
    while at < len(line):
        name = _NAME.match(line, at)
        at = name.end() if name else at
        quoted = _QUOTED.match(line, at) if name and has_quotes else None
        if name and quoted is None and line.startswith('"', at):
            has_quotes = False
        if quoted is None or line[quoted.end() : quoted.end() + 1] not in ("", ","):
            quoted, end = None, line.find(",", at)
        else:
            end = quoted.end()
        end = len(line) if end < 0 else end
        if name:
            found[name[1]] = _unquoted(line[at:end]) if quoted else line[at:end].strip()
        at = end + 1
    return found


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(value))
    except ValueError:
        return value
