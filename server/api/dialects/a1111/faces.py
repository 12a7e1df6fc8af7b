"""Face restoration: which model a name means, and the params of the task that repairs faces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.kinds import families_of
from models.kinds.faces import FACE_FIX
from server.api.dialects.a1111.request import GenerationRequest
from server.api.dialects.image_prompts import require_face_detector
from server.tasks.submission import InvalidParamsError

MODEL = "face_restoration_model"
"""The option that names the model."""


def restorers(catalog: Catalog) -> list[ModelEntry]:
    return [entry for entry in catalog if entry.family in families_of(FACE_FIX)]


def find_restorer(catalog: Catalog, name: str, field: str) -> str:
    """The model whose name or alias begins with this, such as GFPGAN. Raises InvalidParamsError."""
    require_face_detector(catalog, field)
    entries = restorers(catalog)
    for entry in entries:
        if any(each.lower().startswith(name.lower()) for each in (entry.name, *entry.aliases)):
            return entry.name
    known = ", ".join(entry.name for entry in entries)
    raise InvalidParamsError(
        f"there is no face restorer {name!r}; there are: {known or 'none yet, ask the operator for one'}", field
    )


def face_fix(request: GenerationRequest, options: Mapping[str, Any], catalog: Catalog) -> dict[str, Any] | None:
    """The params by which the faces of each image are repaired; None if they are not. Without a named model it is the
    first one that restores faces, or the checkpoint paints them again. Raises InvalidParamsError."""
    if not request.restore_faces:
        return None
    require_face_detector(catalog, "restore_faces")
    if name := str(options.get(MODEL) or ""):
        return {"method": "restore", "model": find_restorer(catalog, name, MODEL)}
    return {"method": "restore"} if restorers(catalog) else {"method": "repaint"}
