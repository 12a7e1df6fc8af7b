"""Pictures that act as prompts."""

from __future__ import annotations

from typing import Any

from models.catalog.catalog import Catalog, UnknownModelError
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelRef
from server.tasks.submission import InvalidParamsError


def require_ip_adapter(catalog: Catalog, model: str, field: str) -> None:
    """Raises InvalidParamsError if no IP-Adapter fits this checkpoint. `field` is what needs it in the request."""
    try:
        catalog.find(ModelRef(IP_ADAPTER, base=model))
    except UnknownModelError as error:
        raise InvalidParamsError(f"{field} needs an IP-Adapter, but {error}", field) from error


def image_prompt(picture: str) -> dict[str, Any]:
    """The param that makes a picture act as a prompt."""
    return {"ip_adapter": {"url": picture}}
