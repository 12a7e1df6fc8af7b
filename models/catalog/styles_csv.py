"""`styles.csv` of AUTOMATIC1111's web UI: its columns are `name`, `prompt` (once `text`) and `negative_prompt`."""

from __future__ import annotations

import csv
from pathlib import Path

from models.catalog.entry import CatalogError
from models.catalog.style import Style, read_style
from models.plain_files import open_plain

STYLES_FILE = "styles.csv"
MAX_BYTES = 10_000_000


def read_styles_csv(file: Path) -> list[Style]:
    """The styles by name; none if there is no file. Rows without a name or without words only order the list of that
    web UI, and are left out. Raises CatalogError.
    """
    try:
        with open_plain(file) as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise CatalogError(f"{file} is larger than {MAX_BYTES} bytes; split it")
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CatalogError(f"cannot read {file} ({error.strerror}); correct its rights") from error
    except UnicodeDecodeError as error:
        raise CatalogError(f"{file} is not UTF-8; save it as UTF-8") from error
    rows = csv.DictReader(text.splitlines(keepends=True))
    try:
        if "name" not in (rows.fieldnames or ()):
            raise CatalogError(f"{file} has no column `name`; its first line must be name,prompt,negative_prompt")
        return [style for row in rows if (style := _style_of(row)) is not None]
    except csv.Error as error:
        raise CatalogError(f"{file}, after line {rows.line_num}: {error}") from error


def _style_of(row: dict[str, str | None]) -> Style | None:
    name = (row["name"] or "").strip()
    prompt, negative = row.get("prompt") or row.get("text") or "", row.get("negative_prompt") or ""
    if not name or not (prompt.strip() or negative.strip()):
        return None
    return read_style({"id": name, "title": name, "prompt": prompt, "negative_prompt": negative})
