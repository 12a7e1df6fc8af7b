"""Options are kept for each key: between its requests, and not for others."""

from __future__ import annotations

import json

import pytest

from server.storage.bucket_keys import options_key
from tests.server.api.dialects.a1111.conftest import KEYS
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


VAES = "\n  - {name: kl-f8, path: toy.safetensors, family: vae}\n"


@pytest.mark.parametrize("more_models", [VAES])
@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("sd_model_checkpoint", "nobody", "toy, anime-toy"),
        ("sd_model_checkpoint", "ink", "name one of family sd1"),
        ("sd_vae", "nobody", "kl-f8"),
        ("sd_vae", "ink", "vae: kl-f8"),
        ("CLIP_stop_at_last_layers", 99, "1 to 9"),
        ("CLIP_stop_at_last_layers", 10, "1 to 9"),
        ("samples_format", 3, "png or jpg"),
        ("samples_format", "tiff", "png or jpg"),
        ("jpeg_quality", 101, "1 to 100"),
    ],
)
async def test_impossible_values_are_refused_with_those_that_are_possible(
    client, painting: Painter, red, option: str, value: object, allowed: str
) -> None:
    before = (await client.get("/sdapi/v1/options", auth=red)).json()
    once = {**BODY, "override_settings": {option: value}}
    for path, body in (("options", {option: value}), ("txt2img", once)):
        reply = await client.post(f"/sdapi/v1/{path}", json=body, auth=red)
        assert (reply.status_code, reply.json()["error"]) == (422, "invalid_params")
        assert option in reply.json()["detail"]
        assert allowed in reply.json()["detail"]
    assert (await client.get("/sdapi/v1/options", auth=red)).json() == before


@pytest.mark.parametrize("more_models", [VAES])
@pytest.mark.parametrize(
    "changes",
    [
        {"sd_model_checkpoint": "anime-toy", "sd_vae": "kl-f8.safetensors", "CLIP_stop_at_last_layers": "2"},
        {"sd_model_checkpoint": None, "sd_vae": "None", "samples_format": "WEBP", "jpeg_quality": 80.0},
        {"unknown": {"of": ["an", "extension"]}, "samples_filename_pattern": "", "grid_format": "tiff", "n": None},
    ],
)
async def test_all_options_can_be_sent_back(client, painting: Painter, red, changes: dict[str, object]) -> None:
    assert (await client.post("/sdapi/v1/options", json=changes, auth=red)).status_code == 200
    options = (await client.get("/sdapi/v1/options", auth=red)).json()
    assert (await client.post("/sdapi/v1/options", json=options, auth=red)).status_code == 200
    assert (await client.post("/sdapi/v1/txt2img", json=BODY, auth=red)).status_code == 200


async def test_models_that_are_gone_do_not_keep_other_options_from_changing(client, settings, red) -> None:
    await client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "anime-toy"}, auth=red)
    (settings.models_path / "models.yaml").write_text("models: [{name: toy, path: toy.safetensors, family: sd1}]")
    await client.post("/sdapi/v1/refresh-checkpoints", auth=red)
    options = (await client.get("/sdapi/v1/options", auth=red)).json()
    assert options["sd_model_checkpoint"] == "anime-toy"
    reply = await client.post("/sdapi/v1/options", json=options | {"samples_format": "jpg"}, auth=red)
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(
    "odd", [{"x": "\ud800"}, {"\ud800": 1}, {"x": [{"y": ["\udfff"]}]}, {"samples_format": "\ud800"}]
)
async def test_lone_surrogates_are_refused(client, painting: Painter, red, odd: dict[str, object]) -> None:
    """Wherever any JSON may stand: an answer that repeats it could not be sent."""
    headers = {"Content-Type": "application/json"}
    bodies = {
        "options": odd,
        "txt2img": {**BODY, "override_settings": odd},
        "img2img": {**BODY, "alwayson_scripts": {"other": {"args": [False, odd]}}, "init_images": [odd]},
    }
    for path, body in bodies.items():
        reply = await client.post(f"/sdapi/v1/{path}", content=json.dumps(body), headers=headers, auth=red)
        assert (reply.status_code, "surrogate" in reply.text or "unicode" in reply.text) == (422, True), reply.text
    assert (await client.get("/sdapi/v1/options", auth=red)).status_code == 200


async def test_damaged_options_count_as_none(client, services, red) -> None:
    caller = services.tenants.keys.authenticate(f"Bearer {KEYS['red'][0]}")
    await services.bucket.put(options_key(caller.tenant, caller.key), b'{"x": "\\ud800"}')
    reply = await client.get("/sdapi/v1/options", auth=red)
    assert (reply.status_code, "x" in reply.json()) == (200, False)


async def test_wrong_options_are_refused(client, red) -> None:
    large = await client.post("/sdapi/v1/options", json={"x": "y" * 70_000}, auth=red)
    assert (large.status_code, "at most" in large.json()["detail"]) == (422, True)
    assert (await client.post("/sdapi/v1/options", json=[1], auth=red)).status_code == 422


async def test_samples_format_is_that_of_the_images(client, painting: Painter, services, red) -> None:
    await client.post("/sdapi/v1/options", json={"samples_format": "jpg", "jpeg_quality": 70}, auth=red)
    await model_used(client, red)
    (view,), _ = await services.queue.recent("red", None, 1, 10)
    assert (view.task.output.format, view.task.output.quality) == ("jpeg", 70)


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
