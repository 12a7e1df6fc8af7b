"""Every style of the route for anime."""

from __future__ import annotations

import pytest

from server.api.dialects.apispace.styles import DEFAULT, STYLES, acg_params
from server.services import Services


@pytest.mark.parametrize("style", STYLES)
async def test_every_style_has_words_of_its_own(services: Services, style: str) -> None:
    params = acg_params({"url": "x", "style": style, "seed": 3}, services.catalog)
    assert STYLES[style] in params["text"]
    assert (params["url"], params["seed"], params["is_anime"]) == ("x", 3, True)


async def test_without_a_style_there_is_a_default(services: Services) -> None:
    assert STYLES[DEFAULT] in acg_params({"image_url": "x"}, services.catalog)["text"]
