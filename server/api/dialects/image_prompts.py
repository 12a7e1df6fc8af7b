"""Pictures that act as prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.catalog.catalog import Catalog, UnknownModelError
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelRef
from pipelines.params.ip_adapter import MAX_IMAGES
from server.tasks.submission import InvalidParamsError


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
