"""Pictures from words, as an artist paints them at the page."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.support.artist import QUICK_STEPS, Artist, difference, png


def is_red(pixels: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(pixels.astype(int), 2, 0)
    return (red > green + 40) & (red > blue + 40)


def is_green(pixels: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(pixels.astype(int), 2, 0)
    return (green > red + 25) & (green > blue + 25)


def shows_red_house_on_grass(pixels: np.ndarray) -> bool:
    side = len(pixels)
    house, grass = pixels[side // 4 : side * 3 // 4, side // 4 : side * 3 // 4], pixels[side * 7 // 8 :]
    return bool(is_red(house).mean() > 0.2 and is_green(grass).mean() > 0.5)


@pytest.mark.parametrize("keys", ["", "Control+Enter"])
def test_words_become_a_picture(artist: Artist, keys: str) -> None:
    artist.open()
    artist.write("a red house on the grass", steps=12)
    artist.field("Prompt").focus()
    painted = artist.generate(keys)
    assert painted.pixels.shape == (128, 128, 3)
    assert shows_red_house_on_grass(painted.pixels)
    expect(artist.field("Prompt") if keys else artist.page.get_by_role("button", name="Generate")).to_be_focused()
    expect(artist.page.locator(".announcer")).to_have_text("a red house on the grass: done")


def test_chinese_words_become_a_picture(artist: Artist) -> None:
    artist.open()
    artist.write("草地上的红房子", steps=12)
    painted = artist.generate()
    assert shows_red_house_on_grass(painted.pixels)
    expect(painted.card.locator(".words")).to_have_text("草地上的红房子")


def test_size_that_is_shown_is_the_size_that_comes(artist: Artist) -> None:
    artist.open()
    artist.press("16:9")
    expect(artist.field("Width")).to_have_value("168")
    artist.press("Swap width and height")
    artist.write("a house", Height=192)
    assert artist.generate().pixels.shape == (192, 96, 3)


def test_use_these_settings_paints_the_same_picture_again(artist: Artist) -> None:
    artist.open()
    artist.write("a green cat on a pink background", **{"Negative prompt": "a car", "Guidance (CFG)": 5})
    artist.page.get_by_label("Sampler", exact=True).select_option("DPM++ 2M Karras")
    first = artist.generate()
    artist.open("gallery")
    artist.press("View picture 1: a green cat on a pink background", artist.card(first.task["id"]))
    artist.press("Use these settings", artist.page.get_by_role("dialog"))
    assert artist.field("Seed").input_value() == str(first.task["images"][0]["seed"])
    again = artist.generate()
    assert again.task["id"] != first.task["id"]
    assert difference(again.pixels, first.pixels) < 1


def test_lora_of_a_card_changes_the_picture(artist: Artist) -> None:
    artist.open()
    artist.write("a red house on the grass", Seed=7)
    without = artist.generate()
    tag = {"text": "a red house on the grass <lora:toy-neon:1.2>", "seed": 7, "w": 128, "h": 128}
    by_tag = artist.service.ended(artist.service.submit(**tag, num_steps=QUICK_STEPS))
    artist.press("Add a LoRA")
    artist.page.get_by_role("dialog").get_by_role("searchbox").fill("neon")
    artist.page.get_by_role("dialog").get_by_role("button", name="Toy LoRA: neon").click()
    artist.press("Close")
    artist.field("toy-neon").fill("1.2")
    artist.field("toy-neon").press("Tab")
    painted = artist.generate()
    assert painted.params["lora_scales"] == {"toy-neon": 1.2}
    assert difference(painted.pixels, artist.picture(by_tag["images"][0]["url"])) < 1
    assert difference(painted.pixels, without.pixels) > 5


def test_second_pass_doubles_the_size(artist: Artist) -> None:
    artist.open()
    artist.write("a blue boat by the sea", Seed=3)
    artist.page.get_by_text("Second pass, variation, tiling").click()
    artist.page.get_by_role("checkbox", name="Second pass at a larger size (hires fix)").check()
    painted = artist.generate()
    assert painted.pixels.shape == (256, 256, 3)
    assert painted.pixels.std() > 20


def test_picture_follows_the_map_that_is_shown(artist: Artist, photo: np.ndarray) -> None:
    artist.open()
    artist.choose_task("Control")
    artist.press("Add a control map")
    artist.page.get_by_label("Picture to follow").set_input_files(
        {"name": "disc.png", "mimeType": "image/png", "buffer": png(photo)}
    )
    artist.press("Show the map")
    shown = artist.page.get_by_alt_text("The map that is drawn from the picture")
    control_map = artist.picture(re.sub(r"^https?://[^/]+", "", shown.get_attribute("src") or ""))
    assert 0.01 < (control_map > 128).mean() < 0.3
    artist.write("a sun in the sky", Seed=5)
    painted = artist.generate()
    unit = painted.params["controls"][0]
    assert unit["type"] == "canny"
    outline = control_map[:, :, 0] > 128
    changes = np.abs(np.gradient(painted.pixels.mean(axis=2))[0]) + np.abs(np.gradient(painted.pixels.mean(axis=2))[1])
    assert changes[outline].mean() > 1.5 * changes[~outline].mean()


def test_result_acts_as_a_prompt(artist: Artist) -> None:
    artist.open()
    artist.write("a yellow star at night", Seed=1)
    star = artist.generate()
    artist.use(star, "As image prompt")
    painted = artist.generate()
    assert painted.params["ip_adapter"]["scale"] == 0.5
    assert difference(painted.pixels, star.pixels) > 5


def test_several_images_are_shown_and_viewed(artist: Artist) -> None:
    artist.open()
    artist.write("a balloon", Images=3)
    painted = artist.generate()
    expect(painted.card.locator("button.view")).to_have_count(3)
    artist.press("View picture 2: a balloon", painted.card)
    dialog = artist.page.get_by_role("dialog", name="a balloon")
    expect(dialog.get_by_role("button", name="2", exact=True)).to_have_attribute("aria-pressed", "true")
    assert (
        dialog.get_by_role("img", name="a balloon")
        .get_attribute("src")
        .endswith(artist.service.task(painted.task["id"])["images"][1]["url"].split("/v1/", 1)[-1])
    )


def test_task_is_canceled_at_its_card(artist: Artist) -> None:
    artist.open()
    artist.write("a house", steps=100, Images=8)
    card = artist.card(artist.submit())
    artist.press("Cancel", card)
    expect(card).to_have_class(re.compile("canceled"))
    expect(card).to_contain_text("canceled")
