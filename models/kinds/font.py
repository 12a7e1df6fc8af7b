"""Fonts draw words as pictures. They are listed in `models.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import LayoutError

if TYPE_CHECKING:
    from models.imaging.font import Font

SUFFIXES = (".ttf", ".otf", ".ttc")


@dataclass(frozen=True, slots=True)
class FontFile:
    def weigh(self, path: Path) -> int:
        if not path.is_file() or path.suffix.lower() not in SUFFIXES:
            raise LayoutError(f"{path} is no font; give one {', '.join(SUFFIXES)} file")
        return path.stat().st_size


FONT: ModelKind[Font] = ModelKind("font", "draw words", named_by_callers=True, default_names=frozenset({"font"}))
FAMILY = ModelFamily(name="font", kind=FONT, loader="models.imaging.font:load", layout=FontFile())
