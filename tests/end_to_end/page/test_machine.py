"""What the page tells those who run the server."""

from datetime import UTC, datetime

import numpy as np
from playwright.sync_api import expect

from tests.support.artist import Artist, png


def test_failures_are_listed_with_their_reasons(artist: Artist, photo: np.ndarray) -> None:
    """A picture without transparent parts leaves nothing to paint."""
    http = artist.service.http
    upload = http.post("/v1/files", content=png(photo)).json()["id"]
    body = {"type": "txt2img.sd.outpainting", "params": {"url": upload, "text": "a lost house"}}
    task = artist.service.ended(http.post("/v1/tasks", json=body).json()["id"])
    assert task["status"] == "failed"
    artist.open("machine")
    row = artist.page.get_by_role("row").filter(has_text="a lost house")
    expect(row).to_contain_text("the picture is opaque")


def test_usage_is_summed_by_day(artist: Artist) -> None:
    artist.open()
    artist.write("a red house")
    artist.generate()
    artist.open("machine")
    today = datetime.now(UTC).date().isoformat()
    row = artist.page.get_by_role("row", name=today)
    expect(row.get_by_role("cell").first).not_to_have_text("0")


def test_usage_of_all_tenants_needs_an_admin_key(artist: Artist) -> None:
    artist.open("machine")
    artist.page.get_by_label("All tenants").click()
    expect(artist.page.get_by_text("Only an admin key shows all tenants.")).to_be_visible()
