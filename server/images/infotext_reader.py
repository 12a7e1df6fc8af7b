"""Reads infotext: the prompt, the negative prompt and a line of settings, as A1111 writes them into its images."""

from __future__ import annotations

import json
import re
from typing import Any

NEGATIVE = "Negative prompt:"
PROMPT_NAME, NEGATIVE_NAME = "Prompt", "Negative prompt"
_SETTING = re.compile(r'\s*([\w /-]+):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_SETTINGS_LINE = re.compile(r"^Steps: \d+, ")


def read_infotext(text: str) -> dict[str, Any]:
    """The settings by the names that the text has, with `Prompt` and `Negative prompt`; the size also in parts."""
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
    settings = {match[1]: _unquoted(match[2]) for match in _SETTING.finditer(last)}
    if size := re.fullmatch(r"(\d+)x(\d+)", settings.get("Size", "")):
        settings |= {"Size-1": size[1], "Size-2": size[2]}
    return {PROMPT_NAME: "\n".join(prompt).strip(), NEGATIVE_NAME: "\n".join(negative).strip(), **settings}


def _is_settings(line: str) -> bool:
    return bool(_SETTINGS_LINE.match(line)) or len(_SETTING.findall(line)) >= 3


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value.strip()
    try:
        return str(json.loads(value))
    except ValueError:
        return value
