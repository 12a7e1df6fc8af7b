"""The operator's styles on the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.artist import QUICK_STEPS, Artist
from tests.support.running_service import RunningService

STYLES = 'name,prompt,negative_prompt\nSeaside,"{prompt} by the sea",a car\n'


@pytest.fixture
def styles(own_models: Path, service: RunningService) -> Iterator[None]:
    file = own_models / "styles.csv"
    file.write_text(STYLES, "utf-8")
    service.http.post("/v1/models/refresh").raise_for_status()
    yield
    file.unlink()
    service.http.post("/v1/models/refresh").raise_for_status()


@pytest.mark.usefixtures("styles")
def test_style_of_a_card_adds_its_words(artist: Artist) -> None:
    artist.open()
    artist.write("a red boat")
    artist.press("Add a style")
    artist.page.get_by_role("dialog").get_by_role("button", name="Seaside").click()
    artist.press("Close")
    params = artist.generate().params
    assert (params["text"], params["negative_prompt"]) == ("a red boat by the sea", "a car")


@pytest.mark.usefixtures("styles")
def test_style_is_completed_in_the_prompt(artist: Artist) -> None:
    artist.open()
    artist.write("a red boat", steps=QUICK_STEPS)
    expect(artist.page.get_by_role("button", name="Add a style")).to_be_visible()
    artist.field("Prompt").press("End")
    artist.field("Prompt").press_sequentially(" seas")
    expect(artist.page.get_by_role("option", name="Style: Seaside")).to_be_visible()
    artist.field("Prompt").press("Enter")
    expect(artist.field("Prompt")).to_have_value("a red boat ")
    expect(artist.page.get_by_role("button", name="Seaside ×")).to_be_visible()
