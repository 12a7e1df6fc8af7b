"""Pictures at twice their size, repainted as much as the request says."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.ideogram.body import form_schema, image_request, read_body, stored_file
from server.api.dialects.ideogram.errors import REFUSED, ForbiddenKeyRoute
from server.api.dialects.ideogram.painting import Painting, paint, prompt_params
from server.api.dialects.ideogram.request_legacy import IMAGE_FILE, UpscaleRequest
from server.api.dialects.ideogram.tasks import LEAST_STRENGTH, Params
from server.api.dialects.workflows import painting_task
from server.tasks.input_images import Upload
from server.tasks.submission import InvalidParamsError

SCALE = 2
MOST_STRENGTH = 0.4
"""Above it, a painting at twice the size that a model was trained at shows objects twice."""
router = APIRouter(tags=["ideogram"], route_class=ForbiddenKeyRoute, responses=REFUSED)


@router.post("/upscale", openapi_extra=form_schema(UpscaleRequest, IMAGE_FILE, in_request=True))
async def upscale(request: Request, services: ServicesDep, tenant: Submitter) -> Response:
    """A picture at twice its size."""
    form = await read_body(request)
    body = image_request(UpscaleRequest, form)
    picture = await stored_file(services, tenant, form, IMAGE_FILE)
    params = await prompt_params(services, tenant, body)
    painting = enlargement(params, picture, strength_of(body), services.settings.max_pixels)
    return await paint(request, services, tenant, body, painting)


def strength_of(body: UpscaleRequest) -> float:
    """How much of the enlarged picture is repainted: more for more detail, less for more resemblance."""
    return round(MOST_STRENGTH * body.detail / 100 * (1 - body.resemblance / 100), 6)


def enlargement(params: Params, picture: Upload, strength: float, max_pixels: int) -> Painting:
    """Raises InvalidParamsError for a picture that would become too large to be repainted."""
    enlarge: dict[str, Any] = {"key": "enlarge", "endpoint": "img2img.sr", "data": {"url": picture.id, "scale": SCALE}}
    if strength < LEAST_STRENGTH:
        return Painting("workflow", {"nodes": [enlarge], "target": "enlarge", "use_audit": True}, SCALE)
    size = picture.width * SCALE, picture.height * SCALE
    if size[0] * size[1] > max_pixels:
        raise InvalidParamsError(
            f"{IMAGE_FILE} is {picture.width}x{picture.height}, and this server paints at most {max_pixels} pixels; "
            "send a smaller picture, or resemblance 100, which enlarges without painting",
            IMAGE_FILE,
        )
    follow = {"fidelity": round(1 - strength, 6), "keep_alpha": True, "wh": size, "max_wh": max(size)}
    return Painting(*painting_task("img2img.sd", {**params, **follow}, before={"url": enlarge}), SCALE)
