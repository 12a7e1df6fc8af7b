"""What an artist does with pictures that are there: settings read back, archives, what is kept, how long one takes."""

import io
import json
import shutil
import zipfile

import httpx
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Page, expect

from tests.support.artist import Artist, difference

DROP = """([bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "house.png", { type: "image/png" }));
  document.querySelector(".stage").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
}"""

SAMPLER = {
    "model": ["1", 0],
    "positive": ["2", 0],
    "negative": ["3", 0],
    "latent_image": ["4", 0],
    "seed": 77,
    "steps": 9,
    "cfg": 5,
    "sampler_name": "dpmpp_2m",
    "scheduler": "karras",
    "denoise": 1.0,
}
"""Of a graph of ComfyUI."""


def drop(page: Page, picture: bytes) -> None:
    page.evaluate(DROP, [list(picture)])


def file_of(artist: Artist, task: dict[str, list[dict[str, str]]]) -> bytes:
    reply: httpx.Response = artist.service.http.get(task["images"][0]["url"])
    return reply.content


def test_dropped_picture_gives_back_its_settings(artist: Artist) -> None:
    artist.open()
    artist.write("a red house on the grass", steps=7, **{"Guidance (CFG)": 6})
    artist.page.get_by_label("Sampler", exact=True).select_option("DPM++ 2M Karras")
    first = artist.generate()
    artist.write("something else", steps=20)
    drop(artist.page, file_of(artist, first.task))
    artist.press("Use its settings")
    assert artist.field("Prompt").input_value() == "a red house on the grass"
    assert artist.field("Steps").input_value() == "7"
    assert difference(artist.generate().pixels, first.pixels) < 1


def test_dropped_picture_of_comfyui_gives_back_its_settings(artist: Artist) -> None:
    inputs = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "epic.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a blue boat by the sea", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "a car", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 192, "height": 128, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": SAMPLER},
    }
    texts = PngInfo()
    texts.add_text("prompt", json.dumps(inputs))
    file = io.BytesIO()
    Image.new("RGB", (192, 128)).save(file, "png", pnginfo=texts)
    artist.open()
    drop(artist.page, file.getvalue())
    expect(artist.page.locator(".offer")).to_contain_text("1 settings have no effect here")
    artist.press("Use its settings")
    labels = ("Prompt", "Negative prompt", "Width", "Steps", "Seed")
    assert [artist.field(label).input_value() for label in labels] == [
        "a blue boat by the sea",
        "a car",
        "192",
        "9",
        "77",
    ]


def test_dropped_picture_with_settings_can_be_a_picture(artist: Artist) -> None:
    artist.open()
    artist.write("a blue boat by the sea")
    first = artist.generate()
    drop(artist.page, file_of(artist, first.task))
    artist.press("Use as picture")
    expect(artist.page.get_by_role("button", name="Change a picture", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_result_becomes_an_input_without_an_upload(artist: Artist) -> None:
    artist.open()
    artist.write("a red house on the grass")
    first = artist.generate()
    sent: list[str] = []
    artist.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    artist.use(first, "Change it")
    artist.field("Denoising strength").fill("0.2")
    changed = artist.generate()
    assert changed.task["type"] == "img2img.sd"
    assert difference(changed.pixels, first.pixels) < 40
    assert not [url for url in sent if url.endswith("/v1/files")]


def test_pictures_of_a_task_come_as_one_archive(artist: Artist) -> None:
    artist.open()
    artist.write("a yellow star at night", Images=2, Seed=5)
    painted = artist.generate()
    painted.card.get_by_text("Use this picture").click()
    with artist.page.expect_download() as download:
        artist.press("Download 2 pictures (zip)", painted.card)
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    assert archive.testzip() is None
    assert archive.namelist() == ["a-yellow-star-at-night-5.png", "a-yellow-star-at-night-6.png"]
    pixels = np.asarray(Image.open(io.BytesIO(archive.read(archive.namelist()[0]))).convert("RGB"))
    assert np.array_equal(pixels, painted.pixels)


def expire(artist: Artist, task_id: str) -> None:
    """Lets the retention of a task pass, as far as it has an end: its record says so, and its files are swept."""
    bucket = artist.service.data_dir / "bucket"
    for folder in bucket.glob(f"images/*/*/{task_id}"):
        shutil.rmtree(folder)
    record = bucket / "manifests" / f"{task_id}.json"
    manifest = json.loads(record.read_text())
    if manifest["place"] is None:
        record.write_text(json.dumps(manifest | {"expires_at": 1.0}))


def test_kept_picture_is_there_when_others_are_gone(artist: Artist) -> None:
    artist.open()
    artist.write("a green cat on a pink background", steps=2)
    kept, other, old = artist.generate(), artist.generate(), artist.generate()
    artist.use(kept, "★ Keep")
    expect(kept.card.locator(".facts")).to_contain_text("kept")
    artist.page.evaluate("marks => localStorage.setItem('hua-favourites', marks)", json.dumps([f"{old.task['id']}/0"]))
    artist.open("gallery")
    star = artist.card(old.task["id"]).get_by_role("img", name="kept")
    expect(star).to_be_visible()
    for painted in (kept, other, old):
        expire(artist, painted.task["id"])
    artist.page.reload()
    expect(artist.card(other.task["id"])).to_contain_text("This picture has expired.")
    for painted in (kept, old):
        shown = artist.card(painted.task["id"]).locator("button.view img")
        expect(shown).to_be_visible()
        assert difference(artist.picture(shown.get_attribute("src") or ""), painted.pixels) == 0
    artist.page.get_by_label("Kept only").check()
    expect(artist.card(other.task["id"])).to_have_count(0)
    expect(artist.card(kept.task["id"])).to_be_visible()
    expect(artist.page.locator(".gallery")).to_contain_text("pictures kept, 1 of 10240 MB")
    artist.card(kept.task["id"]).locator("button.view").click()
    artist.press("★ Keep", artist.page.get_by_role("dialog"))
    expect(artist.page.get_by_role("dialog")).to_contain_text("deleted in 24 h")


def test_time_left_is_shown_while_a_task_waits(artist: Artist) -> None:
    artist.open()
    artist.write("a purple car", steps=60)
    artist.generate()
    artist.submit()
    last = artist.card(artist.submit())
    expect(last.locator(".time-left")).to_contain_text("s left")
    artist.page.get_by_role("link", name="Queue").click()
    artist.press("Cancel all")


def test_pictures_are_kept_as_long_as_is_chosen(artist: Artist) -> None:
    artist.open()
    artist.write("a brown tree")
    artist.page.get_by_label("Keep the pictures for").select_option("7 days")
    painted = artist.generate()
    assert painted.task["retention"] == "7d"
    expect(painted.card.locator(".facts")).to_contain_text("deleted in 7 days")
