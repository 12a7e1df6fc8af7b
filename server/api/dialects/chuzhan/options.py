"""Options that need a model: those whose model is not installed are left out, and cost nothing."""

from __future__ import annotations

from pydantic.alias_generators import to_camel

from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.entry import ModelEntry
from models.kinds import families_of
from models.kinds.faces import FACE
from models.kinds.kind import ModelRef
from models.kinds.lora import LORA
from server.api.dialects.chuzhan.request import DEFAULT_DETAILS, DrawRequest
from server.api.dialects.model_names import has_captioner

DETECTOR = ModelRef(FACE, "face")
DETAILS_LORAS = ("details", "detail")
"""Names or aliases of the LoRA whose scale is the level of detail; the first one that is there."""
HUMAN_MATTING = "matting-human"
"""A matting model for people, which `mainObjectType: Human` uses if it is there."""


def without_missing(request: DrawRequest, catalog: Catalog) -> tuple[DrawRequest, list[str]]:
    """The request without options for which there is no model, and their names."""
    options, left_out = request.img_options, []
    for name in ("prompt_detect", "gender_detect"):
        if getattr(options, name) and not has_captioner(catalog):
            options = options.model_copy(update={name: False})
            left_out.append(f"imgOptions.{to_camel(name)}")
    fixes_faces = request.face_fix
    if fixes_faces and not catalog.has([DETECTOR]):
        fixes_faces = False
        left_out.append("faceFix")
    level = request.details_level
    if level != DEFAULT_DETAILS and details_lora(catalog) is None:
        level = DEFAULT_DETAILS
        left_out.append("detailsLevel")
    changes = {"img_options": options, "face_fix": fixes_faces, "details_level": level}
    return request.model_copy(update=changes), left_out


def object_model(request: DrawRequest, catalog: Catalog) -> dict[str, str]:
    """The params of img2img.sod that name the model for the main object; none: the default one."""
    is_human = request.img_options.main_object_type == "Human"
    if is_human and any(entry.name == HUMAN_MATTING or HUMAN_MATTING in entry.aliases for entry in catalog):
        return {"model": HUMAN_MATTING}
    return {}


def details_lora(catalog: Catalog) -> ModelEntry | None:
    """The LoRA for details."""
    for name in DETAILS_LORAS:
        try:
            entry = catalog.find(name)
        except UnknownModelError:
            continue
        if entry.family in families_of(LORA):
            return entry
    return None
