"""Pictures from pictures: masks, erased and extended parts, dropped and pasted files."""

import base64

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.support.artist import Artist, difference, drag, png, swipe

BAND = ((0.2, 0.25), (0.8, 0.25))
"""A stroke through the upper part of the picture."""
PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True}


def choose(artist: Artist, task: str, picture: np.ndarray) -> None:
    artist.choose_task(task)
    file = {"name": "photo.png", "mimeType": "image/png", "buffer": png(picture)}
    artist.page.get_by_label("Choose a picture").set_input_files(file)


def is_painted_in_the_band_alone(pixels: np.ndarray, photo: np.ndarray) -> bool:
    changes = np.abs(pixels.astype(int) - photo).max(axis=2)
    band, below = changes[28:36, 32:96], changes[64:]
    return bool(band.mean() > 20 and below.max() == 0)


def test_mask_of_the_mouse_is_painted_and_nothing_else(artist: Artist, photo: np.ndarray) -> None:
    artist.open()
    choose(artist, "Inpaint", photo)
    drag(artist.page, artist.page.get_by_label("Mask: paint what is to change"), *BAND)
    artist.write("a yellow sun in the sky", Seed=2)
    painted = artist.generate()
    assert is_painted_in_the_band_alone(painted.pixels, photo)


@pytest.mark.parametrize("context_options", [PHONE])
def test_mask_of_a_finger_is_painted_on_a_phone(artist: Artist, photo: np.ndarray) -> None:
    artist.open()
    choose(artist, "Inpaint", photo)
    swipe(artist.page, artist.page.get_by_label("Mask: paint what is to change"), *BAND)
    artist.write("a yellow sun in the sky", Seed=2)
    painted = artist.generate()
    assert is_painted_in_the_band_alone(painted.pixels, photo)
    expect(painted.card).to_be_in_viewport()
    assert artist.sideways() <= 0


def test_mask_is_undone_and_stays_while_another_task_is_looked_at(artist: Artist, photo: np.ndarray) -> None:
    artist.open()
    choose(artist, "Inpaint", photo)
    canvas = artist.page.get_by_label("Mask: paint what is to change")
    drag(artist.page, canvas, *BAND)
    drag(artist.page, canvas, (0.2, 0.8), (0.8, 0.8))
    canvas.press("Control+z")
    artist.choose_task("From text")
    artist.choose_task("Inpaint")
    artist.write("a yellow sun in the sky", Seed=2)
    assert is_painted_in_the_band_alone(artist.generate().pixels, photo)


def test_erased_part_is_filled_from_its_surroundings(artist: Artist, photo: np.ndarray) -> None:
    artist.open()
    choose(artist, "Erase", photo)
    artist.field("Brush size").fill("64")
    artist.field("Brush size").press("Tab")
    canvas = artist.page.get_by_label("Mask: paint what is to change")
    drag(artist.page, canvas, (0.35, 0.4), (0.65, 0.4), (0.65, 0.6), (0.35, 0.6))
    painted = artist.generate()
    assert painted.task["type"] == "img2img.inpainting"
    assert np.abs(painted.pixels[-8:].astype(int) - photo[-8:]).max() <= 2
    assert painted.pixels[48:80, 48:80].mean() < photo[48:80, 48:80].mean() - 40


def test_edge_that_is_dragged_outwards_makes_the_picture_larger(artist: Artist, photo: np.ndarray) -> None:
    artist.open()
    choose(artist, "Extend", photo)
    edge = artist.page.locator(".edge.right")
    drag(artist.page, edge, (0.5, 0.5), (12, 0.5))
    added = int(artist.page.locator(".margins").get_by_label("Add on the right").last.input_value())
    assert added >= 24
    artist.write("a house on the grass")
    painted = artist.generate()
    assert painted.pixels.shape == (128, 128 + added, 3)
    assert np.array_equal(painted.pixels[:, :112], photo[:, :112])
    assert painted.pixels[:, 128:].std() > 5


def test_result_becomes_the_source_with_one_click(artist: Artist) -> None:
    artist.open()
    artist.write("a red house on the grass", Seed=4)
    first = artist.generate()
    artist.use(first, "Change it")
    expect(artist.page.get_by_alt_text("Choose a picture")).to_be_visible()
    artist.field("Denoising strength").fill("0.05")
    artist.field("Denoising strength").press("Tab")
    painted = artist.generate()
    assert painted.task["type"] == "img2img.sd"
    assert difference(painted.pixels, first.pixels) < 25


def test_result_is_enlarged(artist: Artist) -> None:
    artist.open()
    artist.write("a red house on the grass", Seed=4)
    first = artist.generate()
    artist.use(first, "Enlarge")
    artist.page.get_by_role("button", name="Model: ").click()
    expect(artist.page.get_by_role("dialog").get_by_role("button", name="Toy SD 1")).to_have_count(0)
    artist.page.get_by_role("dialog").get_by_role("button", name="Toy ESRGAN").click()
    painted = artist.generate()
    assert painted.params["model"] == "toy-esrgan"
    assert painted.pixels.shape == (512, 512, 3)
    assert difference(painted.pixels[::4, ::4], first.pixels) < 25


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_dropped_or_pasted_picture_is_changed(artist: Artist, photo: np.ndarray, way: str) -> None:
    artist.open()
    give(artist.page, way, png(photo))
    expect(artist.page.get_by_alt_text("Choose a picture")).to_be_visible()
    artist.write("a sun in the sky", **{"Denoising strength": 0.05})
    painted = artist.generate()
    assert painted.task["type"] == "img2img.sd"
    assert difference(painted.pixels, photo) < 25


def test_file_that_is_no_picture_is_refused_in_words(artist: Artist) -> None:
    artist.open()
    give(artist.page, "drop", b"words")
    expect(artist.page.get_by_text("This file is no picture that the browser can read")).to_be_visible()


def give(page: Page, way: str, file: bytes) -> None:
    """Hands a file to the page as the browser does when it is dropped or pasted."""
    page.evaluate(
        """([way, content]) => {
            const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "photo.png", { type: "image/png" }));
            const options = { bubbles: true, cancelable: true };
            const event = way === "drop"
                ? new DragEvent("drop", { ...options, dataTransfer: data })
                : new ClipboardEvent("paste", { ...options, clipboardData: data });
            document.querySelector(way === "drop" ? ".stage" : "body").dispatchEvent(event);
        }""",
        [way, base64.b64encode(file).decode()],
    )
