"""The styles of the route for anime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.catalog.catalog import Catalog
from server.tasks.submission import InvalidParamsError

STYLES: Mapping[str, str] = {
    "Chinese_style": "Chinese style, hanfu",
    "American_style": "American comic style",
    "Cute_style": "cute, chibi",
    "Gorgeous_style": "gorgeous, ornate clothes",
    "Horrible_style": "dark, horror",
    "Avatar_style": "blue skin, fantasy",
    "Fighting_style": "fighting, action pose",
    "Machine_style": "mecha, machine parts",
    "Cyberfuture_style": "cyberpunk, neon lights",
    "JOJO_style": "bold outlines, dramatic shading",
    "Bunny_style": "rabbit ears",
    "CatEar_style": "cat ears",
}
"""Words of the prompt by style; the operator's `styles:` with the same id go before them."""
DEFAULT = "Cute_style"
PROMPT = "anime, portrait"


def acg_params(sent: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """The params of img2img.sd. Raises InvalidParamsError for an unknown style."""
    others = {name: value for name, value in sent.items() if name not in ("style", "image_url", "text", "task")}
    name = str(sent.get("style") or DEFAULT)
    params: dict[str, Any] = {"is_anime": True, **others, "url": sent.get("url") or sent.get("image_url") or ""}
    if not params["url"]:
        raise InvalidParamsError("image_url is missing; add the address of a portrait", "image_url")
    if (style := catalog.styles.get(name)) is not None:
        own = {"text": style.full_prompt(PROMPT), "negative_prompt": style.full_negative_prompt("")}
        model = {"model": style.model, "is_anime": False} if style.model else {}
        return {**style.params, **params, **own, **model, **({"lora_scales": style.loras} if style.loras else {})}
    if name not in STYLES:
        raise InvalidParamsError(f"there is no style {name!r}; there are: {', '.join(STYLES)}", "style")
    return {**params, "text": f"{PROMPT}, {STYLES[name]}"}
