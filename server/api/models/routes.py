"""The routes of `/v1/models`."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request, Response

from models.catalog.catalog import UnknownModelError
from server.api.dependencies import ServicesDep, Submitter
from server.api.errors import error_responses
from server.api.files.local_picture import RESPONSES, picture_response
from server.api.models.listing import ListedModel, ModelListing
from server.api.models.refreshing import refresh_catalog
from server.api.models.reply import ModelList, ModelProblem, ModelReply, RefreshReply
from server.api.router import Router

router = Router(prefix="/v1/models", tags=["models"])
TOTAL = "X-Total-Count"
Filter = Annotated[str | None, Query(max_length=128)]


class ModelNotFoundError(Exception):
    """The path names no model, or one without a preview."""


async def _listing(services: ServicesDep) -> ModelListing:
    return ModelListing(services, (await services.queue.overview()).workers)


ListingDep = Annotated[ModelListing, Depends(_listing)]


NameInPath = Annotated[str, Path(description="A name or an alias, in any case.")]


@router.get(
    "",
    responses={
        200: {"headers": {TOTAL: {"schema": {"type": "integer"}, "description": "Models on all pages together."}}},
        **error_responses(401, 422, 503),
    },
)
async def list_models(
    listing: ListingDep,
    response: Response,
    kind: Annotated[Filter, Query(description="Only models of this kind, such as `LoRA`, in any case.")] = None,
    family: Annotated[Filter, Query(description="Only models of this family, such as `sdxl`.")] = None,
    base: Annotated[Filter, Query(description="Only adapters for checkpoints of this family (`for`).")] = None,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    per_page: Annotated[int | None, Query(ge=1, le=1000, description="Without it, one page has all models.")] = None,
) -> ModelList:
    """Every model that a task may use, and then those that cannot be used now, with the reason."""
    models = [model for model in listing if model.is_like(kind, family, base)]
    response.headers[TOTAL] = str(len(models))
    size = per_page or len(models)
    return ModelList(data=[listing.reply(model) for model in islice(models, (page - 1) * size, page * size)])


@router.post("/refresh", responses=error_responses(401, 403))
async def refresh_models(request: Request, services: ServicesDep, tenant: Submitter) -> RefreshReply:
    """Reads the models folder at once, not only within the next seconds. It needs the scope `submit`.

    Other processes read it for themselves, every HUA_MODELS_REFRESH seconds.
    """
    changes = await refresh_catalog(request, services)
    problems = [ModelProblem(names=list(each.names), message=each.message) for each in services.catalog.problems]
    return RefreshReply(problems=problems, **{name: list(names) for name, names in changes._asdict().items()})


@router.get("/{name}", responses=error_responses(401, 404, 422, 503))
async def get_model(listing: ListingDep, name: NameInPath) -> ModelReply:
    """One model."""
    return listing.reply(_find(listing, name))


@router.get(
    "/{name}/preview",
    response_class=Response,
    responses={**RESPONSES, **error_responses(401, 404, 422, 503)},
)
async def get_preview(
    services: ServicesDep, name: NameInPath, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The picture beside the file of a model: `NAME.preview.png`, `NAME.png`, or the same as JPEG or WebP."""
    listing = ModelListing(services)
    picture = listing.preview(_find(listing, name))
    response = picture_response(picture, if_none_match) if picture else None
    if response is None:
        raise ModelNotFoundError(f"model {name!r} has no preview; the operator may put one beside it, NAME.preview.png")
    return response


def _find(listing: ModelListing, name: str) -> ListedModel:
    """Raises ModelNotFoundError."""
    try:
        return listing.find(name)
    except UnknownModelError as error:
        raise ModelNotFoundError(str(error)) from error
