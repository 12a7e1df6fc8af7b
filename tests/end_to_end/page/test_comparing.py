"""A picture and what it was made from: side by side, and again in the form."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.support.artist import Artist, Painted, difference, png


def paint_from(artist: Artist, type_: str, photo: np.ndarray, **params: Any) -> Painted:
    """A task from a photo; its picture is opened in the gallery."""
    http = artist.service.http
    upload = http.post("/v1/files", content=png(photo)).json()["id"]
    body = {"type": type_, "params": {"url": upload, "text": "a sun in the sky", "num_steps": 4, "seed": 3, **params}}
    task = artist.service.ended(http.post("/v1/tasks", json=body).json()["id"])
    assert task["status"] == "succeeded", task
    artist.open("gallery")
    card = artist.card(task["id"])
    card.locator("button.view").first.click()
    return Painted(task, artist.picture(task["images"][0]["url"]), card)


def compare(artist: Artist, share: int = 100) -> Locator:
    """Shows the second picture up to this share of the width."""
    artist.press("Compare")
    artist.page.get_by_role("slider", name="Compare").fill(str(share))
    return artist.page.locator(".zoomed")


def seen(shown: Locator, width: int, height: int) -> np.ndarray:
    """What the browser paints, uint8 [height, width, 3]."""
    screenshot = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
    return np.asarray(screenshot.resize((width, height), Image.Resampling.BOX))


def test_picture_is_compared_with_its_source_and_with_others_of_the_task(artist: Artist, photo: np.ndarray) -> None:
    painted = paint_from(artist, "img2img.sd", photo, fidelity=0.1, num_samples=2)
    shown = compare(artist)
    expect(shown.locator(".over img")).to_be_visible()
    assert difference(seen(shown, 128, 128), photo) < 8 < difference(painted.pixels, photo)
    artist.page.get_by_label("Compare with").select_option("Picture 2")
    expect(shown.locator(".over img")).to_have_attribute("src", painted.task["images"][1]["url"])
    second = artist.picture(painted.task["images"][1]["url"])
    assert difference(seen(shown, 128, 128), second) < 8 < difference(seen(shown, 128, 128), photo)


def test_source_of_an_extended_picture_lies_where_it_was(artist: Artist, photo: np.ndarray) -> None:
    painted = paint_from(artist, "txt2img.sd.outpainting", photo, left=64)
    assert painted.pixels.shape == (128, 192, 3)
    shown = compare(artist)
    expect(shown.locator(".over img")).to_be_visible()
    pixels = seen(shown, 192, 128)
    assert difference(pixels[:, 66:], photo[:, 2:]) < 8
    assert difference(pixels[:, :62], painted.pixels[:, :62]) < 8


def test_source_that_is_gone_is_said(artist: Artist, page: Page, photo: np.ndarray) -> None:
    page.route("**/v1/files/*", lambda route: route.fulfill(status=404, json={"error": {"code": "unknown_upload"}}))
    paint_from(artist, "img2img.sd", photo)
    compare(artist)
    expect(page.get_by_text("The server no longer has this picture")).to_be_visible()


@pytest.mark.parametrize("context_options", [{"locale": "zh-CN"}])
def test_settings_come_back_with_picture_and_mask(artist: Artist, page: Page, photo: np.ndarray) -> None:
    mask = np.zeros((128, 128, 4), np.uint8)
    mask[20:44, 20:108] = 255
    upload = artist.service.http.post("/v1/files", content=png(mask)).json()["id"]
    first = paint_from(artist, "txt2img.sd.inpainting", photo, mask_url=upload, keep_original=True)
    page.get_by_role("dialog").get_by_role("button", name="使用这些设置").click()
    expect(page.get_by_label("蒙版：涂抹要修改的部分")).to_be_visible()
    with page.expect_response(lambda response: response.request.method == "POST" and response.ok) as sent:
        artist.press("生成")
    again = artist.service.ended(sent.value.json()["id"])
    assert (again["params"]["url"], again["params"]["mask_url"]) == (first.params["url"], upload)
    assert difference(artist.picture(again["images"][0]["url"]), first.pixels) < 1
