"""The whole path, HTTP to picture, over a running `hua serve`."""

import base64
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.callback_receiver import CallbackReceiver
from tests.support.running_service import RunningService
from tests.support.tools import until


def test_txt2img_returns_png_with_its_parameters(service: RunningService) -> None:
    reply = service.http.post(
        "/v1/tasks",
        json={"type": "txt2img.sd", "params": {"text": "a red house", "w": 64, "h": 96, "num_steps": 3}},
        headers={"Prefer": "wait=60"},
    )
    assert reply.status_code == 200, reply.text
    view = reply.json()
    assert view["status"] == "succeeded"
    assert view["params"]["seed"] >= 0
    image = service.http.get(view["images"][0]["url"])
    assert image.headers["content-type"] == "image/png"
    picture = Image.open(io.BytesIO(image.content))
    assert picture.size == (64, 96)
    assert picture.text["parameters"].startswith("a red house\n")
    assert f"Seed: {view['params']['seed']}" in picture.text["parameters"]


def test_txt2img_same_seed_gives_same_image(service: RunningService) -> None:
    first, again, other = (service.ended(service.submit(seed=seed))["images"][0]["sha256"] for seed in (7, 7, 8))
    assert first == again != other


def test_lora_that_is_dropped_in_is_used_without_a_restart(
    service: RunningService, models_dir: Path, own_models: Path
) -> None:
    def known() -> bool:
        return service.http.get("/v1/models/pen").status_code == 200

    def paint(text: str) -> bytes:
        view = service.ended(service.submit(seed=7, text=text))
        assert view["status"] == "succeeded", view
        return Image.open(io.BytesIO(service.http.get(view["images"][0]["url"]).content)).tobytes()

    file = own_models / "pen.safetensors"
    shutil.copyfile(models_dir / "toy-lora.safetensors", file)
    until(known, 20)
    assert paint("a house <lora:pen:1>") == paint("a house <lora:toy-lora:1>") != paint("a house")
    file.unlink()
    until(lambda: not known(), 20)


def test_img2img_takes_upload_and_preserves_alpha(service: RunningService) -> None:
    pixels = np.zeros((80, 64, 4), np.uint8)
    pixels[20:60, :, 3] = 255
    source = io.BytesIO()
    Image.fromarray(pixels).save(source, "PNG")
    upload = service.http.post("/v1/files", files={"file": ("a.png", source.getvalue(), "image/png")})
    assert upload.status_code in {200, 201}, upload.text
    body = {"type": "img2img.sd", "params": {"text": "a boat", "url": upload.json()["id"], "num_steps": 4}}
    view = service.http.post("/v1/tasks", json=body, headers={"Prefer": "wait=60"}).json()
    assert view["status"] == "succeeded", view
    made = np.asarray(Image.open(io.BytesIO(service.http.get(view["images"][0]["url"]).content)))
    assert made.shape == (80, 64, 4)
    assert np.array_equal(made[:, :, 3], pixels[:, :, 3])


def test_upscaling_and_erasing(service: RunningService) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    mask = np.zeros_like(pixels)
    mask[10:20, 5:25] = 255
    urls = {"url": data_uri(pixels), "mask_url": data_uri(mask)}
    larger = picture_of(service, "img2img.sr", {"url": urls["url"], "target_w": 100})
    assert larger.shape == (75, 100, 3)
    erased = picture_of(service, "img2img.inpainting", urls)
    kept = mask[:, :, 0] == 0
    assert np.array_equal(erased[kept], pixels[kept])
    assert not np.array_equal(erased, pixels)


def data_uri(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def picture_of(service, kind: str, params: dict[str, object]) -> np.ndarray:
    view = service.http.post("/v1/tasks", json={"type": kind, "params": params}, headers={"Prefer": "wait=60"}).json()
    assert view["status"] == "succeeded", view
    return np.asarray(Image.open(io.BytesIO(service.http.get(view["images"][0]["url"]).content)))


@pytest.mark.parametrize("form", ["jpeg", "webp"])
def test_output_format_is_respected(service, form: str) -> None:
    body = {"type": "txt2img.sd", "params": {"text": "a", "w": 64, "h": 64, "num_steps": 1}, "output": {"format": form}}
    view = service.http.post("/v1/tasks", json=body, headers={"Prefer": "wait=60"}).json()
    image = service.http.get(view["images"][0]["url"])
    assert image.headers["content-type"] == f"image/{form}"
    assert Image.open(io.BytesIO(image.content)).format == form.upper()


def test_events_report_progress_and_result(service: RunningService) -> None:
    task_id = service.submit(num_steps=20, w=256, h=256)
    events: list[str] = []
    with service.http.stream("GET", f"/v1/tasks/{task_id}/events") as stream:
        for line in stream.iter_lines():
            if line.startswith("event:"):
                events.append(line.removeprefix("event:").strip())
            if line.startswith("data:"):
                last = json.loads(line.removeprefix("data:"))
    assert "progress" in events
    assert events[-1] == "succeeded"
    assert last["images"]


def test_cancel_stops_running_task_and_frees_device(service: RunningService) -> None:
    task_id = service.submit(num_steps=100, w=512, h=512)
    until(lambda: service.task(task_id)["status"] == "running", 30)
    assert service.http.delete(f"/v1/tasks/{task_id}").status_code in {200, 202}
    assert service.ended(task_id)["status"] == "canceled"
    assert service.ended(service.submit())["status"] == "succeeded"


def test_hosted_service_dialect_and_its_callback(service: RunningService, callback_receiver: CallbackReceiver) -> None:
    push = {
        "task": "txt2img.sd",
        "params": {"text": "a", "w": 64, "h": 64, "num_steps": 5},
        "notify_url": callback_receiver.url,
    }
    reply = service.http.post("/engine/push", json=push).json()
    assert reply["success"] is True
    uid = reply["uid"]
    until(lambda: callback_receiver.received, 60)
    _, body, headers = callback_receiver.received[0]
    told = json.loads(body)
    assert told["uid"] == uid
    assert told["success"] is True
    assert told["data"]["request"]["model"]["text"] == "a"
    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} <= set(headers)
    assert service.http.get(told["data"]["cdn"]).headers["content-type"] == "image/png"
    assert service.http.get(f"/engine/status/{uid}").json()["status"] == "finished"


def test_mixed_tasks_succeed_together(service: RunningService) -> None:
    samplers = ["euler", "ddim", "dpmpp_2m", "heun", "lcm", "unipc"]
    ids = [
        service.submit(sampler=sampler, num_steps=3 + place, guidance_scale=place, seed=place)
        for place, sampler in enumerate(samplers)
    ]
    assert {service.ended(task_id)["status"] for task_id in ids} == {"succeeded"}


def test_helm_test_script_runs_task(service: RunningService) -> None:
    """The very script of the chart's test pod."""
    script = Path(__file__).parents[2] / "helm" / "hua" / "files" / "serves.py"

    def end(params: dict[str, object]) -> subprocess.CompletedProcess[str]:
        task = json.dumps({"type": "txt2img.sd", "params": {"w": 64, "h": 64, "num_steps": 2} | params})
        environment = {"URL": str(service.http.base_url).rstrip("/"), "TASK": task, "TIMEOUT_S": "60"}
        return subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)

    good, bad = end({"text": "a lighthouse"}), end({})
    assert good.returncode == 0, good.stderr
    assert '"status":"succeeded"' in good.stdout.replace(" ", "")
    assert (bad.returncode, bad.stderr.startswith("/v1/tasks: 422")) == (1, True)
