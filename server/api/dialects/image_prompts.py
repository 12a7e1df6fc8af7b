"""Pictures that act as prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.catalog.catalog import Catalog, UnknownModelError
from models.kinds import families_of
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelRef
from pipelines.params.ip_adapter import DETECTOR, MAX_IMAGES
from server.tasks.submission import InvalidParamsError

FACE_SCALE = 0.7
"""How strongly a face acts as a prompt."""


def require_ip_adapter(catalog: Catalog, model: str, field: str) -> None:
    """Raises InvalidParamsError if no IP-Adapter fits this checkpoint. `field` is what needs it in the request."""
    try:
        catalog.find(ModelRef(IP_ADAPTER, base=model))
    except UnknownModelError as error:
        raise InvalidParamsError(f"{field} needs an IP-Adapter, but {error}", field) from error


def image_prompt(pictures: Sequence[str], field: str) -> dict[str, Any]:
    """The param that makes pictures act as a prompt. Raises InvalidParamsError if there are too many."""
    if len(pictures) > MAX_IMAGES:
        raise InvalidParamsError(f"{len(pictures)} pictures are too many to follow; send {MAX_IMAGES} at most", field)
    return {"ip_adapter": {"url": pictures[0], "more_urls": list(pictures[1:])}}


def face_prompt(catalog: Catalog, model: str, picture: str, field: str) -> dict[str, Any]:
    """The param that makes the largest face of a picture act as a prompt for this checkpoint.

    An adapter with `face` in its name is used if there is one. Raises InvalidParamsError if there is no IP-Adapter, or
    nothing that finds faces.
    """
    require_ip_adapter(catalog, model, field)
    require_face_detector(catalog, field)
    base = catalog.find(model).family
    fitting = (entry for entry in catalog if entry.family in families_of(IP_ADAPTER) and entry.base == base)
    named = next((entry.name for entry in fitting if "face" in entry.name.lower()), "")
    return {"ip_adapter": {"url": picture, "model": named, "faces": 1, "scale": FACE_SCALE}}


def require_face_detector(catalog: Catalog, field: str) -> None:
    """Raises InvalidParamsError if nothing here finds faces. `field` is what needs it in the request."""
    try:
        catalog.find(DETECTOR)
    except UnknownModelError as error:
        raise InvalidParamsError(f"{field} needs a model that finds faces, but {error}", field) from error
