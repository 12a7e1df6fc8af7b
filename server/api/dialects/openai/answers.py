"""The answers of OpenAI's Images API."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from server.api.dialects.openai.inputs import InputPicture
from server.api.dialects.openai.request import ImageRequest
from server.api.dialects.pictures import result_in_base64
from server.api.task_response import linked_images
from server.services import Services
from server.task import Image, Manifest

PATCH = 16
"""A token of a picture is a square of this many pixels a side."""
_WORD = re.compile(r"\w+|[^\w\s]")


class TokenDetails(BaseModel):
    text_tokens: int = 0
    image_tokens: int = 0


class Usage(BaseModel):
    """Text counts words and signs, pictures count squares of 16×16 pixels."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: TokenDetails
    output_tokens_details: TokenDetails


class ImageData(BaseModel):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = Field(None, description="The prompt as it was painted.")


class ImagesReply(BaseModel):
    created: int
    background: str
    data: list[ImageData]
    output_format: str
    quality: str
    size: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """The request that an answer is for."""

    request: ImageRequest
    prompt: str
    """As the client sent it."""
    painted_prompt: str
    """As the task has it: in the words of a style."""
    pictures: Sequence[InputPicture] = ()

    def usage(self, images: Iterable[Image]) -> Usage:
        inputs = sum(_tokens(*picture.size) for picture in self.pictures if picture.size)
        input_details = TokenDetails(text_tokens=len(_WORD.findall(self.prompt)), image_tokens=inputs)
        output_details = TokenDetails(image_tokens=sum(_tokens(image.width, image.height) for image in images))
        input_tokens, output_tokens = input_details.text_tokens + inputs, output_details.image_tokens
        return Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            total_tokens=input_tokens + output_tokens,
            input_tokens_details=input_details,
            output_tokens_details=output_details,
        )

    def description(self, image: Image) -> dict[str, Any]:
        """The fields that tell how an image was made."""
        return {
            "background": "transparent" if self.request.background == "transparent" else "opaque",
            "output_format": image.format,
            "quality": self.request.quality,
            "size": f"{image.width}x{image.height}",
        }


async def images_reply(services: Services, answered: AnsweredRequest, ended: Sequence[Manifest]) -> ImagesReply:
    """The answer once all tasks have succeeded and at least one image is not withheld."""
    linked = linked_results(services, ended)
    images = [image for _, image in linked]
    return ImagesReply(
        created=int(max(manifest.outcome.finished_at for manifest in ended)),
        data=[await _image_data(services, answered, *each) for each in linked],
        usage=answered.usage(images),
        **answered.description(images[0]),
    )


def linked_results(services: Services, ended: Iterable[Manifest]) -> list[tuple[str, Image]]:
    """The images that are not withheld, each with its link."""
    return [each for manifest in ended for each in linked_images(manifest, "image", services.links) if each[0]]


async def _image_data(services: Services, answered: AnsweredRequest, url: str, image: Image) -> ImageData:
    revised = answered.painted_prompt if answered.painted_prompt != answered.prompt else None
    if answered.request.sends_base64:
        return ImageData(b64_json=await result_in_base64(services, image), revised_prompt=revised)
    return ImageData(url=url, revised_prompt=revised)


def _tokens(width: int, height: int) -> int:
    return math.ceil(width / PATCH) * math.ceil(height / PATCH)
