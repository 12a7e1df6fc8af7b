"""The routes of the ControlNet extension."""

from __future__ import annotations

import pytest

NETS = """
  - {name: Some Canny, path: toy.safetensors, family: controlnet, for: sd1, hint: canny}
  - {name: Some Adapter, path: toy.safetensors, family: ip_adapter, for: sd1, encoder: toy.safetensors}
"""
pytestmark = pytest.mark.parametrize("more_models", [NETS])


async def test_what_there_is(client, red) -> None:
    assert (await client.get("/controlnet/version", auth=red)).json() == {"version": 2}
    assert (await client.get("/controlnet/settings", auth=red)).json() == {"control_net_unit_count": 4}
    assert (await client.get("/controlnet/model_list?update=true", auth=red)).json() == {
        "model_list": ["Some Canny", "Some Adapter"]
    }
    modules = (await client.get("/controlnet/module_list", auth=red)).json()
    assert {"none", "canny", "depth_midas", "ip-adapter-auto", "reference_only"} <= set(modules["module_list"])
    types = (await client.get("/controlnet/control_types", auth=red)).json()["control_types"]
    assert types["Canny"]["model_list"] == ["None", "Some Canny"]
    assert (types["Canny"]["default_option"], types["Canny"]["default_model"]) == ("canny", "Some Canny")
    assert types["IP-Adapter"]["model_list"] == ["None", "Some Adapter"]
    assert types["Reference"]["module_list"] == ["reference_only"]


@pytest.mark.parametrize("name", ["controlnet_images", "controlnet_input_images"])
async def test_detect_draws_maps(client, painter, services, red, picture: str, name: str, painting) -> None:
    body = {
        "controlnet_module": "canny",
        name: [picture],
        "controlnet_threshold_a": 60,
        "controlnet_processor_res": 256,
    }
    reply = await client.post("/controlnet/detect", json=body, auth=red)
    assert (reply.status_code, len(reply.json()["images"])) == (200, 1), reply.text
    (view,), _ = await services.queue.recent("red", None, 1, 10)
    assert view.task.type == "control.canny_hint"
    assert (view.task.params["low_threshold"], view.task.params["detect_resolution"]) == (60, 256)


@pytest.mark.parametrize(
    ("body", "words"),
    [({"controlnet_module": "none"}, "controlnet_module"), ({"controlnet_module": "canny"}, "controlnet_input_images")],
)
async def test_detect_needs_a_module_and_pictures(client, red, body, words: str) -> None:
    reply = await client.post("/controlnet/detect", json=body, auth=red)
    assert (reply.status_code, words in reply.json()["detail"]) == (422, True)
