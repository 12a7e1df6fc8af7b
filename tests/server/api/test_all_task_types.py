"""Every task type is accepted by every route: our own, its typed one, and that of the API that Hua replaces."""

import base64

import pytest

import pipelines
from pipelines.params.control import HINTS

MATRIX = {"a": 1, "b": 0, "c": 0, "d": 1, "e": 4, "f": 4}
BOX = [0, 0, 8, 8]
# Bodies as clients of the replaced API send them. `PNG` stands for an image.
SENT = {
    "txt2img.sd": {"text": "roses", "version": "v1.5", "sampler": "k_euler", "num_steps": 20},
    "txt2img.sd.inpainting": {"text": "roses", "url": "PNG", "mask_url": "PNG", "keep_original": True},
    "txt2img.sd.outpainting": {"text": "roses", "url": "PNG", "inpainting_mask_padding": 32},
    "img2img.sd": {"text": "roses", "url": "PNG", "fidelity": 0.2, "wh": [0, 0]},
    "img2img.sr": {"url": "PNG", "is_anime": False, "target_w": 0, "target_h": 0},
    "img2img.inpainting": {"url": "PNG", "mask_url": "PNG", "model": "lama", "use_refine": False},
    "img2img.sod": {"url": "PNG"},
    "img2img.face_fix": {"url": "PNG", "strength": 0.8},
    "img2img.portrait": {"url": "PNG", "text": "roses", "style": "Cute_style", "w": 512, "h": 512},
    "img2img.pattern": {"qr": "https://example.com", "text": "roses", "strength": 1.5},
    "img2img.stickers": {"url": "PNG", "border": 4},
    "img2img.scene": {"url": "PNG", "text": "roses", "scene": "flowers", "place": {"x": 0.3}},
    "img2txt.caption": {"url": "PNG", "max_wh": 1024},
    "txt2txt.prompt_enhance": {"text": "roses", "repitition_penalty": 1.2, "num_return_sequences": 1},
    **{f"control.{hint}": {"url": "PNG", "hint_url": "", "prompt": "roses", "base_model": "v1.5"} for hint in HINTS},
    **{f"control.{hint}_hint": {"url": "PNG", "binarize_threshold": 128} for hint in HINTS},
    **{f"control_new.{hint}": {"hint_url": "PNG", "prompt": "roses", "hint_start": 0.1} for hint in HINTS},
    "control.multi": {
        "url": "PNG",
        "prompt": "roses",
        "types": ["canny", "depth"],
        "canny_params": {"control_strength": 0.5},
    },
    "control_new.multi": {"prompt": "roses", "controls": [{"type": "canny", "data": {"hint_url": "PNG"}}]},
    "upscale.tile": {"url": "PNG", "text": "roses", "upscale_factor": 2, "grid_wh": 512, "padding": 32},
    "pipeline.grid": {"urls": ["PNG", "PNG"], "gap": 4},
    "pipeline.paste": {"url": "PNG", "bg_url": "PNG", **MATRIX, "resampling": "bilinear"},
    "cv.affine": {"url": "PNG", **MATRIX, "w": 32, "h": 32},
    "cv.blur": {"url": "PNG", "radius": 2},
    "cv.crop_faces": {"url": "PNG", "count": 1, "scale": 1.5},
    "cv.crop_image": {"url": "PNG", "lt_rb": BOX},
    "cv.erode": {"url": "PNG", "n_iter": 1, "kernel_size": 3, "threshold": 0, "padding": 8},
    "cv.faces": {"url": "PNG"},
    "cv.fill_bg": {"url": "PNG", "bg": [255, 0, 0]},
    "cv.generate_masks": {"w": 32, "h": 32, "lt_rb_list": [BOX], "merge": False},
    "cv.get_mask": {"url": "PNG", "get_inverse": False},
    "cv.get_size": {"url": "PNG"},
    "cv.grayscale": {"url": "PNG"},
    "cv.hist_match": {"url": "PNG", "bg_url": "PNG", "use_hsv": False, "strength": 1.0},
    "cv.inverse": {"url": "PNG"},
    "cv.modify_box": {"lt_rb": BOX, "w": 32, "h": 32, "padding": 0, "to_square": False},
    "cv.op": {"url": "PNG", "url2": "PNG", "op": "add"},
    "cv.resize": {"url": "PNG", "w": 32, "h": 32, "mode": "fill"},
    "workflow": {
        "nodes": [
            {"key": "a", "endpoint": "/txt2img/sd", "injections": {}, "data": {"text": "roses"}},
            {"key": "b", "endpoint": "cv.blur", "injections": {"a": {"index": 0, "field": "url"}}, "data": {}},
        ],
        "target": "b",
    },
}
MODELS = """
models:
  - {name: v1.5, path: net.safetensors, family: sd1}
  - {name: esr, path: net.safetensors, family: upscaler}
  - {name: lama, path: net.safetensors, family: lama}
  - {name: matting, path: net.onnx, family: matting}
  - {name: face, path: net.onnx, family: face}
  - {name: captioner, path: speaker, family: captioner}
  - {name: enhancer, path: speaker, family: enhancer}
  - {name: ink, path: net.safetensors, family: lora, for: sd1}
  - {name: oil, path: net.safetensors, family: lora, for: sdxl}
  - {name: style, path: net.safetensors, family: embedding, for: sdxl}
  - {name: xl-vae, path: net.safetensors, family: vae, for: sdxl}
  - {name: kl-f8, path: net.safetensors, family: vae}
  - {name: xl-ip, path: net.safetensors, family: ip_adapter, for: sdxl, encoder: speaker}
"""


@pytest.fixture
def settings(settings):
    folder = settings.models_path
    guides = "".join(
        f"  - {{name: {hint}-net, path: net.safetensors, family: controlnet, for: sd1, hint: {hint}}}\n"
        f"  - {{name: {hint}-maps, path: net.safetensors, family: annotator, hint: {hint}}}\n"
        for hint in HINTS
    )
    (folder / "models.yaml").write_text(MODELS + guides)
    (folder / "speaker").mkdir()
    for file in ("net.safetensors", "net.onnx", "speaker/model.safetensors", "speaker/config.json"):
        (folder / file).write_bytes(b"weights")
    return settings.model_copy(update={"task_limit": 1000})


def sent(kind: str, image: str):
    def filled(value):
        match value:
            case "PNG":
                return image
            case dict():
                return {name: filled(each) for name, each in value.items()}
            case list():
                return [filled(each) for each in value]
        return value

    return filled(SENT[kind])


def test_every_task_type_has_an_example() -> None:
    assert set(SENT) == {pipeline.names[0] for pipeline in pipelines.every()}


async def test_engine_push_accepts_every_task_type(client, png) -> None:
    image = base64.b64encode(png).decode()
    for name in pipelines.all_names():
        kind = pipelines.find(name).names[0]
        reply = await client.post("/engine/push", json={"task": name, "params": sent(kind, image)})
        assert (reply.status_code, reply.json()["success"], reply.json()["msg"]) == (200, True, ""), (name, reply.text)


@pytest.mark.parametrize("typed", [False, True])
async def test_own_routes_accept_every_task_type(client, png, typed: bool) -> None:
    image = base64.b64encode(png).decode()
    for kind in SENT:
        params = sent(kind, image)
        path, body = (f"/v1/pipelines/{kind}", {}) if typed else ("/v1/tasks", {"type": kind})
        reply = await client.post(path, json=body | {"params": params})
        assert (reply.status_code, reply.json().get("type")) == (202, kind), (kind, reply.text)


def adapted(params: dict, **adapters) -> dict:
    """The parameters with adapters, and `<lora:…>` at the end of the prompt."""
    tag = adapters.pop("tag", "")
    if "nodes" in params:
        first, *others = params["nodes"]
        return params | {"nodes": [first | {"data": adapted(first["data"], tag=tag, **adapters)}, *others]}
    prompt = "text" if "text" in params else "prompt"
    return params | adapters | {prompt: f"{params[prompt]} {tag}"}


PAINTING = [kind for kind in SENT if "roses" in str(SENT[kind]) and kind != "txt2txt.prompt_enhance"]


@pytest.mark.parametrize(
    ("adapters", "message"),
    [
        ({"tag": "<lora:OIL:0.8>"}, "lora 'oil' is for models of family sdxl, but 'v1.5' is of family sd1"),
        ({"lora_scales": {"oil": 0.8}}, "leave it out, or name another model; these fit: ink"),
        ({"embeddings": ["style"]}, "embedding 'style' is for models of family sdxl, but 'v1.5' is of family sd1"),
        ({"vae": "xl-vae"}, "leave it out, or name another model; these fit: kl-f8"),
        ({"ip_adapter": {"url": "PNG", "model": "xl-ip"}}, "ip_adapter 'xl-ip' is for models of family sdxl"),
    ],
)
async def test_adapters_for_another_family_are_refused_by_every_task_type(client, png, adapters, message) -> None:
    image = base64.b64encode(png).decode()
    if "ip_adapter" in adapters:
        adapters = {"ip_adapter": adapters["ip_adapter"] | {"url": image}}
    assert len(PAINTING) > 20
    for kind in PAINTING:
        params = adapted(sent(kind, image), **adapters)
        reply = await client.post("/v1/tasks", json={"type": kind, "params": params})
        assert reply.json()["error"]["code"] == "model_mismatch", (kind, reply.text)
        assert message in reply.json()["error"]["message"], kind
