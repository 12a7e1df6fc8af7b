"""Options are kept for each key: between its requests, and not for others."""

from __future__ import annotations

import json

import pytest

from tests.support.painter import Painter

BODY = {"prompt": "a house", "width": 64, "height": 64, "seed": 7, "steps": 4}


async def model_used(client, auth, **changes: object) -> str:
    reply = await client.post("/sdapi/v1/txt2img", json=BODY | changes, auth=auth)
    name: str = json.loads(reply.json()["info"])["sd_model_name"]
    return name


async def test_default_checkpoint_is_a_title_of_the_list(client, red) -> None:
    options = (await client.get("/sdapi/v1/options", auth=red)).json()
    titles = [model["title"] for model in (await client.get("/sdapi/v1/sd-models", auth=red)).json()]
    assert options["sd_model_checkpoint"] in titles
    assert options["CLIP_stop_at_last_layers"] == 1


async def test_changes_hold_for_the_key_and_for_no_other(client, painting: Painter, red, blue) -> None:
    changed = {"sd_model_checkpoint": "anime-toy", "own": "kept"}
    reply = await client.post("/sdapi/v1/options", json=changed, auth=red)
    assert (reply.status_code, reply.json()) == (200, None)
    assert (await client.get("/sdapi/v1/options", auth=red)).json()["own"] == "kept"
    assert "own" not in (await client.get("/sdapi/v1/options", auth=blue)).json()
    assert await model_used(client, red) == "anime-toy"
    assert await model_used(client, blue) == "toy"


async def test_override_settings_hold_for_one_request(client, painting: Painter, red) -> None:
    assert await model_used(client, red, override_settings={"sd_model_checkpoint": "anime-toy"}) == "anime-toy"
    assert await model_used(client, red) == "toy"


async def test_wrong_options_are_refused(client, red) -> None:
    unknown = await client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "nobody"}, auth=red)
    assert (unknown.status_code, "nobody" in unknown.json()["detail"]) == (422, True)
    large = await client.post("/sdapi/v1/options", json={"x": "y" * 70_000}, auth=red)
    assert (large.status_code, "at most" in large.json()["detail"]) == (422, True)
    assert (await client.post("/sdapi/v1/options", json=[1], auth=red)).status_code == 422


async def test_samples_format_is_that_of_the_images(client, painting: Painter, services, red) -> None:
    await client.post("/sdapi/v1/options", json={"samples_format": "jpg"}, auth=red)
    await model_used(client, red)
    (view,), _ = await services.queue.recent("red", None, 1, 10)
    assert view.task.output.format == "jpeg"


@pytest.mark.parametrize("value", ["x", -1, 1.5, [2], {"a": 1}, True, 10**30, "9" * 400])
async def test_clip_skip_that_is_no_number_is_refused(client, red, value: object) -> None:
    """When it is set, and when a request brings it; never with a 500."""
    changed = await client.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": value}, auth=red)
    once = {**BODY, "override_settings": {"CLIP_stop_at_last_layers": value}}
    painted = await client.post("/sdapi/v1/txt2img", json=once, auth=red)
    assert {changed.status_code, painted.status_code} <= {200, 422}
    assert painted.status_code == 422


@pytest.mark.parametrize("changes", [{"samples_format": 3}, {"sd_vae": 5}, {"sd_model_checkpoint": 7}, {"x": None}])
async def test_options_of_odd_types_break_nothing(client, painting: Painter, red, changes: dict[str, object]) -> None:
    await client.post("/sdapi/v1/options", json=changes, auth=red)
    assert (await client.post("/sdapi/v1/txt2img", json=BODY, auth=red)).status_code in (200, 422)
    assert (await client.get("/sdapi/v1/options", auth=red)).status_code == 200
