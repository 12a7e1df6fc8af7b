"""What the replaced API did where Hua is strict: a model that is not installed, and a size that it rounded.

Each function returns the params to use instead, and notes for people about what it changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.catalog.catalog import Catalog
from models.kinds import CHECKPOINT_FAMILIES
from pipelines.pipeline import AnyPipeline
from server.api.dialects.model_names import is_missing

DIFFUSION_MODELS = frozenset({"general", "anime", "art", "real", "3danime", "basic"})
"""The values of `model` in that API, which are all diffusion models."""
VERSIONS = frozenset(
    {"v1.5", "dreamlike_v1", "anime", "anime_anything", "anime_hybrid", "anime_guofeng", "anime_orange"}
)
"""The values of `version` in that API."""
GRID = 64
"""The sides of the images that it generated were multiples of this many pixels."""

Substituted = tuple[dict[str, Any], list[str]]


def use_installed_model(
    params: Mapping[str, Any], pipeline: AnyPipeline, catalog: Catalog, sent_model: Any
) -> Substituted:
    """The default model in place of a checkpoint that is not installed.

    That API painted with any `model`, because its engine did not read it. A `version` that it did not know failed.
    sent_model: the `model` of the request, before `version` or another name was used for it.
    """
    names = _checkpoint_names(pipeline)
    if not names:
        return dict(params), []
    name = next((each for each in names if each in params), names[-1])
    model = params.get(name, "v1.5")
    may_replace = isinstance(model, str) and model in {*VERSIONS, *DIFFUSION_MODELS, str(sent_model)}
    if may_replace and is_missing(catalog, model):
        note = f"model {model[:64]!r} is not installed; the default model is used"
        return {**params, name: "", "is_anime": False}, [note] if name in params else []
    if params.get("is_anime") and is_missing(catalog, "anime") and not str(model).startswith("anime"):
        return {**params, "is_anime": False}, ["is_anime is ignored, because model 'anime' is not installed"]
    return dict(params), []


def _checkpoint_names(pipeline: AnyPipeline) -> tuple[str, ...]:
    """The parameters that may name the checkpoint of a task, the decisive one first; none if it has no checkpoint."""
    fields = pipeline.Params.model_fields
    if "version" in fields:
        return ("version",)
    if "model" not in fields or not pipeline.families <= CHECKPOINT_FAMILIES:
        return ()
    return ("base_model", "model")


def round_size(params: Mapping[str, Any], pipeline: AnyPipeline) -> Substituted:
    """The nearest sizes of that API in place of sides that no model can generate."""
    if not {"w", "h", "max_wh"} <= pipeline.Params.model_fields.keys():
        return dict(params), []
    rounded = {name: _rounded(params[name]) for name in ("w", "h") if name in params}
    changed = {name: side for name, side in rounded.items() if side is not None}
    return {**params, **changed}, [f"{name} {params[name]} is rounded to {side}" for name, side in changed.items()]


def _rounded(side: Any) -> int | None:
    """The nearest multiple of GRID; None if the side can stay as it is, or is no whole number above 0."""
    try:
        pixels = int(side) if isinstance(side, str | int | float) and float(side).is_integer() else 0
    except (ValueError, OverflowError):
        return None
    if pixels <= 0 or (pixels % 8 == 0 and pixels >= GRID):
        return None
    return max(GRID, (pixels + GRID // 2) // GRID * GRID)
