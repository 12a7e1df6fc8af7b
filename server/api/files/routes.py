"""Result images, for clients with a signed link: sent from the bucket, or by a redirect to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from fastapi import Header, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from server.api.dependencies import ServicesDep
from server.api.errors import error_responses
from server.api.files.byte_ranges import parse_range
from server.api.router import Router
from server.images.codec import convert
from server.services import Services
from server.storage.bucket import Bucket
from server.storage.signed_links import LinkExpiredError
from server.task import Format, Image, Manifest, Output

router = Router(tags=["files"])
PATH = "/files/{task_id}/{index}.{extension}"
MEDIA_TYPES: dict[Format, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
CONTENT: dict[str, Any] = {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}}

CHUNK_BYTES = 4 << 20
"""Read from the bucket at once. Most images are one chunk; a slow client of a larger one keeps no request to the bucket
open between chunks."""
CONVERSIONS = ThreadPoolExecutor(1, "convert")
"""One thread, so that conversions do not take the processor from other requests."""
REDIRECT_S = 3600
"""Longest life of a redirect: signatures of the bucket may last a week at most, our own last as long as the image."""


@router.head(PATH, include_in_schema=False)
@router.get(
    PATH,
    response_class=Response,
    responses={
        200: {**CONTENT, "description": "The image."},
        206: {**CONTENT, "description": "The requested range of the image (Range)."},
        304: {"description": "The client already has this image (If-None-Match)."},
        307: {"description": "The image is at this address of the bucket, for an hour at most."},
        **error_responses(403, 410, 416, 422, 503),
    },
)
async def get_image(
    request: Request,
    services: ServicesDep,
    task_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")],
    index: Annotated[int, Path(ge=0, le=999)],
    extension: Format,
    expires: Annotated[int, Query(ge=0, lt=2**53, description="Unix seconds.")],
    signature: Annotated[str, Query(max_length=128)],
    quality: Annotated[int | None, Query(ge=1, le=100, description="Of a converted jpeg or webp.")] = None,
    redirect: Annotated[
        bool, Query(description="False: the image comes from here, also where clients reach the bucket.")
    ] = True,
    if_none_match: Annotated[str | None, Header()] = None,
    range_: Annotated[str | None, Header(alias="range")] = None,
    if_range: Annotated[str | None, Header()] = None,
) -> Response:
    """One image of a task, by the link in the task."""
    services.links.check_image(task_id, index, extension, expires, signature, quality)
    manifest = await services.bucket.manifest(task_id)
    if manifest is None or manifest.expires_at <= services.clock() or index >= len(manifest.images):
        raise LinkExpiredError("this image is deleted; generate it again")
    image = manifest.images[index]
    if not image.safe:
        raise LinkExpiredError("this image is withheld; the task says why")
    if extension != image.format or quality is not None:
        output = Output(format=extension, quality=Output().quality if quality is None else quality)
        return await _converted(services.bucket, image, output, _max_age(manifest, services.clock()))
    headers = _headers(manifest, image, index, services.clock())
    if if_none_match is not None and headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    if redirect and request.method == "GET" and (elsewhere := await _redirect(services, image, expires)):
        return elsewhere
    part = parse_range(range_, image.bytes) if if_range in {None, headers["ETag"]} else None
    return await _stream(services.bucket, image, part, headers)


async def _converted(bucket: Bucket, image: Image, output: Output, cache_control: str) -> Response:
    """Raises LinkExpiredError."""
    data = await bucket.get(image.key)
    if data is None:
        raise LinkExpiredError("this image is deleted; generate it again")
    converted = await asyncio.get_running_loop().run_in_executor(CONVERSIONS, convert, data, output)
    return Response(converted, headers={"Cache-Control": cache_control}, media_type=MEDIA_TYPES[output.format])


async def _redirect(services: Services, image: Image, expires: int) -> Response | None:
    lifetime_s = min(REDIRECT_S, expires - int(services.clock()))
    url = await services.bucket.link(image.key, lifetime_s) if lifetime_s > 0 else None
    if url is None:
        return None
    # Cached for half its life, so that a browser which shows the image again does not load it again.
    return RedirectResponse(url, 307, {"Cache-Control": f"private, max-age={lifetime_s // 2}"})


async def _stream(bucket: Bucket, image: Image, part: range | None, headers: dict[str, str]) -> Response:
    """Raises LinkExpiredError before anything is sent, if the image is not in the bucket."""
    positions = range(image.bytes) if part is None else part
    first = await bucket.get_part(image.key, positions.start, min(positions.start + CHUNK_BYTES, positions.stop))
    if first is None:
        raise LinkExpiredError("this image is deleted; generate it again")
    headers["Content-Length"] = str(len(positions))
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{image.bytes}"
    body = _chunks(bucket, image.key, first, positions)
    return StreamingResponse(body, 200 if part is None else 206, headers, MEDIA_TYPES[image.format])


async def _chunks(bucket: Bucket, key: str, first: bytes, positions: range) -> AsyncIterator[bytes]:
    """If the image is deleted meanwhile, the body ends early, which the client sees by Content-Length."""
    yield first
    for start in positions[CHUNK_BYTES::CHUNK_BYTES]:
        chunk = await bucket.get_part(key, start, min(start + CHUNK_BYTES, positions.stop))
        if chunk is None:
            raise LinkExpiredError("this image was deleted while it was read")
        yield chunk


def _headers(manifest: Manifest, image: Image, index: int, now: float) -> dict[str, str]:
    return {
        "ETag": f'"{image.sha256}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": _max_age(manifest, now),
        "Content-Disposition": f'inline; filename="{manifest.task.id}-{index}.{image.format}"',
    }


def _max_age(manifest: Manifest, now: float) -> str:
    return f"private, max-age={max(0, int(manifest.expires_at - now))}, immutable"
