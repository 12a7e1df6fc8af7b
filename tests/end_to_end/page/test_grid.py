"""A grid of pictures in which two settings vary."""

import io
import json
import re

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from tests.support.artist import Artist


def test_grid_of_two_settings_is_painted_and_saved_as_one_picture(artist: Artist) -> None:
    artist.open()
    artist.write("a red house on the grass", Seed=3)
    artist.page.get_by_text("X/Y grid").click()
    artist.field("Across: values").fill("1-3")
    artist.field("Down").select_option("guidance_scale")
    artist.field("Down: values").fill("2, 7.5")
    artist.press("Paint 6 pictures")
    table = artist.page.get_by_role("region", name="X/Y grid")
    expect(table.get_by_role("columnheader", name="Steps: 3")).to_be_visible()
    expect(table.locator("td img")).to_have_count(6)
    with artist.page.expect_download() as download:
        artist.press("Download as one picture", table)
    picture = np.asarray(Image.open(io.BytesIO(download.value.path().read_bytes())).convert("RGB"))
    assert picture.shape[0] > 2 * 128
    assert picture.shape[1] > 3 * 128
    newest = artist.service.http.get("/v1/tasks?per_page=6").json()["tasks"]
    painted = {(task["params"]["num_steps"], task["params"]["guidance_scale"]) for task in newest}
    assert painted == {(steps, guidance) for steps in (1, 2, 3) for guidance in (2, 7.5)}
    assert {task["params"]["seed"] for task in newest} == {3}
    corner = picture[-128 - 8 : -8, -128 - 8 : -8]
    last = artist.picture(next(task for task in newest if task["params"]["num_steps"] == 3)["images"][0]["url"])
    assert np.abs(corner.astype(int) - last).mean() < 1
    artist.page.reload()
    expect(table.locator("td img")).to_have_count(6)
    expect(table.get_by_role("columnheader", name="Steps: 3")).to_be_visible()
    artist.page.get_by_text("X/Y grid").last.click()
    assert artist.field("Down: values").input_value() == "2, 7.5"
    artist.press("Close", table)
    artist.page.reload()
    expect(artist.page.get_by_role("button", name="Model: Toy SD 1")).to_be_visible()
    expect(table).to_have_count(0)


def test_values_that_are_no_numbers_are_refused(artist: Artist) -> None:
    artist.open()
    artist.write("a house")
    artist.page.get_by_text("X/Y grid").click()
    artist.field("Across: values").fill("ten, twenty")
    expect(artist.page.get_by_text("These values must be numbers")).to_be_visible()
    expect(artist.page.get_by_role("button", name="Paint 2 pictures")).to_be_disabled()


def test_grid_is_found_again_when_its_tasks_are_older_than_the_list(artist: Artist) -> None:
    """The list begins with the newest 40; here the server shows none of these."""
    artist.open()
    ids = [artist.service.submit(seed=seed) for seed in (1, 2)]
    for task_id in ids:
        artist.service.ended(task_id)
    axis = {"setting": "seed", "values": ["1", "2"]}
    grid = {"across": axis, "down": {"setting": "", "values": [""]}, "ids": [ids]}
    artist.page.evaluate("grid => localStorage.setItem('hua-grid', grid)", json.dumps(grid))
    artist.page.route(
        re.compile(r"/v1/tasks\?"),
        lambda route: route.fulfill(json={"tasks": [], "total": 0, "page": 1, "per_page": 40}),
    )
    artist.page.reload()
    table = artist.page.get_by_role("region", name="X/Y grid")
    expect(table.locator("td img")).to_have_count(2)


def test_grid_of_another_key_is_closed(artist: Artist) -> None:
    artist.open()
    grid = {
        "across": {"setting": "seed", "values": ["1"]},
        "down": {"setting": "", "values": [""]},
        "ids": [["0" * 32]],
    }
    artist.page.evaluate("grid => localStorage.setItem('hua-grid', grid)", json.dumps(grid))
    with artist.page.expect_response(re.compile("0" * 32)):
        artist.page.reload()
    expect(artist.page.get_by_role("region", name="X/Y grid")).to_have_count(0)
