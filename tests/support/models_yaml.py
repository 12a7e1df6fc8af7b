"""Writes the catalog of a models folder."""

from __future__ import annotations

from pathlib import Path


def write_entries(folder: Path, *lines: str) -> Path:
    """Writes models.yaml with these entries, each a YAML mapping in one line, and returns the folder."""
    (folder / "models.yaml").write_text("models:\n" + "".join(f"  - {line}\n" for line in lines))
    return folder
