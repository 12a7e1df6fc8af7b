"""The commands that the pages of docs/ show."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def shell_blocks(page: str) -> list[str]:
    """Each ```sh block of a page of docs/."""
    return re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
