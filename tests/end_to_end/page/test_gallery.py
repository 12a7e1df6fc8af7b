"""All pictures of a person, and looking at one."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support.artist import Artist, Painted, difference
from tests.support.running_service import RunningService


@pytest.fixture(scope="module")
def tasks(service: RunningService) -> list[dict[str, Any]]:
    """Of two pictures, the newest last."""
    prompts = ("a purple balloon at night", "a white boat by the sea")
    return [service.ended(service.submit(text=prompt, w=128, h=128)) for prompt in prompts]


@pytest.fixture
def painted(artist: Artist, tasks: list[dict[str, Any]]) -> list[Painted]:
    artist.open()
    return [Painted(task, artist.picture(task["images"][0]["url"]), artist.card(task["id"])) for task in tasks]


def test_gallery_has_all_pictures_after_a_reload(artist: Artist, page: Page, painted: list[Painted]) -> None:
    page.get_by_role("link", name="Gallery").click()
    page.reload()
    for picture in painted:
        shown = artist.card(picture.task["id"]).locator("button.view img")
        expect(shown).to_be_visible()
        assert difference(artist.picture(shown.get_attribute("src") or ""), picture.pixels) == 0


def test_filters_leave_what_is_looked_for(artist: Artist, page: Page, painted: list[Painted]) -> None:
    page.get_by_role("link", name="Gallery").click()
    balloon, boat = (artist.card(each.task["id"]) for each in painted)
    page.get_by_label("Search in prompts").fill("purple BALL")
    expect(boat).to_be_hidden()
    expect(balloon).to_be_visible()
    page.get_by_label("Search in prompts").fill("")
    page.get_by_label("Status").select_option("failed")
    expect(balloon).to_be_hidden()
    page.get_by_label("Status").select_option("succeeded")
    page.get_by_label("Task").select_option("txt2img.sd")
    expect(balloon).to_be_visible()


def test_filters_find_tasks_that_are_not_loaded(artist: Artist, page: Page, painted: list[Painted]) -> None:
    """The page knows the newest task alone; the server finds the others."""
    page.route(
        "**/v1/tasks?page=*", lambda route: route.continue_(url=route.request.url.replace("per_page=40", "per_page=1"))
    )
    page.reload()
    artist.open("gallery")
    page.get_by_label("Search in prompts").fill("purple BALL")
    expect(artist.card(painted[0].task["id"])).to_be_visible()


def test_viewer_goes_on_by_keys_and_returns_the_focus(artist: Artist, page: Page, painted: list[Painted]) -> None:
    page.get_by_role("link", name="Gallery").click()
    boat = artist.card(painted[1].task["id"]).locator("button.view")
    boat.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="a white boat by the sea")).to_be_visible()
    page.keyboard.press("ArrowRight")
    viewer = page.get_by_role("dialog", name="a purple balloon at night")
    expect(viewer).to_contain_text(f"seed {painted[0].task['images'][0]['seed']}")
    width = viewer.locator(".zoomed img").bounding_box()["width"]
    page.keyboard.press("+")
    assert viewer.locator(".zoomed img").bounding_box()["width"] == pytest.approx(1.5 * width, abs=2)
    page.keyboard.press("Escape")
    expect(boat).to_be_focused()


def test_picture_is_downloaded_under_a_name_that_tells_what_it_shows(
    artist: Artist, page: Page, painted: list[Painted]
) -> None:
    painted[0].card.get_by_text("Use this picture").click()
    itself = "**/files/*/0.png?*&redirect=false"  # scripts may not follow links to the bucket
    with page.expect_download() as download, page.expect_request(itself):
        painted[0].card.get_by_role("link", name="Download").click()
    seed = painted[0].task["images"][0]["seed"]
    assert download.value.suggested_filename == f"a-purple-balloon-at-night-{seed}.png"


def test_pictures_that_are_shown_come_as_one_archive(artist: Artist, page: Page) -> None:
    artist.open()
    artist.write("a pink flower, archived", steps=2, Images=2, Seed=5)
    pictures = [artist.generate() for _ in range(2)]
    artist.write("a pink flower", steps=2, Images=1)
    artist.generate()
    page.get_by_role("link", name="Gallery").click()
    page.get_by_label("Search in prompts").fill("archived")
    with page.expect_download() as download:
        artist.press("Download 4 pictures (zip)")
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    assert archive.testzip() is None
    name = "a-pink-flower-archived"
    assert archive.namelist() == [f"{name}-5.png", f"{name}-6.png", f"{name}-5-2.png", f"{name}-6-2.png"]
    pixels = np.asarray(Image.open(io.BytesIO(archive.read(f"{name}-5-2.png"))).convert("RGB"))
    assert np.array_equal(pixels, pictures[0].pixels)


def test_machine_shows_workers_and_models(artist: Artist, page: Page) -> None:
    artist.open("machine")
    expect(page.get_by_role("row", name="Toy SD 1", exact=False).first).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="ready")).to_be_visible()
    artist.press("Look for new models")
    expect(page.get_by_text("0 added, 0 changed, 0 removed")).to_be_visible()
