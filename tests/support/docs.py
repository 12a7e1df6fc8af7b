"""The commands and programs that the pages of docs/ show."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def shell_blocks(page: str) -> list[str]:
    """Each ```sh block of a page of docs/."""
    return _blocks(page, "sh")


def python_blocks(page: str) -> list[str]:
    """Each ```python block of a page of docs/."""
    return _blocks(page, "python")


def yaml_blocks(page: str) -> list[str]:
    """Each ```yaml block of a page of docs/."""
    return _blocks(page, "yaml")


def _blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
