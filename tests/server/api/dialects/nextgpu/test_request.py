"""Ratios, titles and ids of nextGPU's request."""

from __future__ import annotations

import pytest

from server.api.dialects.nextgpu.request import PublishRequest
from server.services import Services
from server.tasks.submission import InvalidParamsError


def request(**fields: object) -> PublishRequest:
    data = {"parameters": {"promptText": "a boy", "imageRatio": "16:9"}}
    return PublishRequest.model_validate({"data": data, **fields})


STYLES = "styles:\n  - {id: flux, title: Poster, model: canvas, prompt: '{prompt}, poster', params: {num_steps: 8}}\n"


@pytest.mark.parametrize("more_models", [STYLES])
async def test_titles_are_those_of_the_operators_styles(services: Services) -> None:
    params = request(title="Poster").params(services.catalog)
    assert (params["model"], params["text"], params["num_steps"]) == ("canvas", "a boy, poster", 8)
    assert (params["w"], params["h"]) == (1368, 768)
    assert request(title="Image generation").params(services.catalog)["model"] == "toy"
    with pytest.raises(InvalidParamsError, match="there are: Image generation, flux, Poster"):
        request(title="Video").params(services.catalog)


def test_key_depends_on_the_id_and_on_all_of_the_request() -> None:
    key = request(taskID="a").idempotency_key({})
    assert key == request(taskID="a").idempotency_key({})
    others = [request(taskID="b"), request(taskID="a", imageCount=2), request(taskID="a", imagePath="x")]
    assert key not in {other.idempotency_key({}) for other in others} | {request(taskID="a").idempotency_key({"w": 8})}
    assert request().idempotency_key({}) is None
