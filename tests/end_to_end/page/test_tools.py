"""The tools view: each stored tool is a form, which makes a picture."""

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from tests.support.artist import Artist, drag, png


def choose(artist: Artist, tool: str) -> Locator:
    """Opens a tool; its form."""
    artist.open("tools")
    artist.page.get_by_role("button", name=tool).click()
    return artist.page.get_by_role("form", name=tool)


def give(form: Locator, label: str, picture: np.ndarray) -> None:
    form.get_by_label(label).last.set_input_files({"name": "p.png", "mimeType": "image/png", "buffer": png(picture)})


def test_form_paints_by_the_lines_of_a_drawing(artist: Artist, photo: np.ndarray) -> None:
    form = choose(artist, "Colour a line drawing")
    give(form, "Drawing", photo)
    form.get_by_label("What it shows").fill("a red house on the grass")
    form.get_by_label("Style").select_option("Watercolour")
    painted = artist.generate()
    assert painted.pixels.shape == photo.shape
    assert painted.params["nodes"][1]["data"]["text"] == "a red house on the grass, watercolour painting, soft washes"


def test_mask_of_a_tool_is_painted_over_its_picture(artist: Artist, photo: np.ndarray) -> None:
    form = choose(artist, "Model photo from a dummy")
    expect(form.get_by_text("the mask is painted over it")).to_be_visible()
    give(form, "Photo of the dummy", photo)
    drag(artist.page, form.get_by_label("Mask: paint what is to change"), (0.2, 0.25), (0.8, 0.25))
    form.get_by_label("Model *").select_option("Asian woman")
    changes = np.abs(artist.generate().pixels.astype(int) - photo).max(axis=2)
    assert changes[28:36, 32:96].mean() > 20
    assert changes[64:].max() == 0


def test_what_is_missing_is_told_at_its_field(artist: Artist) -> None:
    form = choose(artist, "Seamless texture")
    artist.press("Generate")
    wrong = form.locator(".wrong")
    expect(wrong.get_by_text("values.material is missing")).to_be_visible()
    form.get_by_label("Material").fill("grass")
    form.get_by_label("Size").fill("128x128")
    texture = artist.generate()
    assert np.abs(texture.pixels[:, 0].astype(int) - texture.pixels[:, -1]).mean() < 30
    preview = artist.picture(texture.task["hints"][0]["url"])
    assert preview.shape == (512, 512, 3)


def test_chinese_page_shows_chinese_names(artist: Artist) -> None:
    artist.open("tools")
    artist.page.get_by_label("Language").select_option("中文")
    artist.page.get_by_role("button", name="人台图").click()
    expect(artist.page.get_by_text("要替换的部分")).to_be_visible()


@pytest.mark.parametrize(
    ("tool", "picture", "words", "sizes"),
    [
        ("Product scene", "Photo of the product", {"Scene": "the sea"}, ["Size of the picture"]),
        ("Poster with hidden words", "", {"Words": "A", "What the picture shows": "a green tree"}, ["Size"]),
        ("Restore an old photo", "Photo", {}, []),
    ],
)
def test_other_shipped_tools_paint(
    artist: Artist, photo: np.ndarray, tool: str, picture: str, words: dict[str, str], sizes: list[str]
) -> None:
    form = choose(artist, tool)
    if picture:
        give(form, picture, photo)
    for label, text in words.items():
        form.get_by_label(f"{label} *", exact=True).fill(text)
    for label in sizes:
        form.get_by_label(label, exact=True).fill("128x128")
    side = 256 if tool == "Restore an old photo" else 128
    assert artist.generate().pixels.shape == (side, side, 3)
