"""The tasks of a person that have not ended."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.support.artist import Artist
from tests.support.running_service import RunningService

START_MS = 60_000
"""In which the first task has started, even if the device still ends steps of canceled ones."""
MORE_THAN_PLACES = 60
"""Tasks of which many wait: a CPU gains nothing from more than a few large images at once."""


@pytest.fixture
def submitted(service: RunningService) -> Iterator[list[str]]:
    """Tasks that fill the device and more, the oldest first."""
    ids = [service.submit(text=f"house {number}", w=512, h=512, num_steps=100) for number in range(MORE_THAN_PLACES)]
    yield ids
    for task_id in ids:
        service.http.delete(f"/v1/tasks/{task_id}")
    for task_id in ids:
        service.ended(task_id)


def test_all_that_has_not_ended_is_shown_in_order_and_canceled(
    artist: Artist, page: Page, submitted: list[str]
) -> None:
    """Tasks that are older than the list, which begins with the newest 40, are in the queue, too."""
    page.route(
        re.compile(r"/v1/tasks\?page"),
        lambda route: route.fulfill(json={"tasks": [], "total": 0, "page": 1, "per_page": 40}),
    )
    artist.open("queue")
    expect(page.locator(".queue li .words")).to_have_text([f"house {number}" for number in range(len(submitted))])
    artist.press("Cancel all")
    expect(page.get_by_text("No task of yours is waiting or running.")).to_be_visible()
    assert {artist.service.ended(task_id)["status"] for task_id in submitted} == {"canceled"}


def test_tasks_that_wait_are_read_together(artist: Artist, page: Page, submitted: list[str]) -> None:
    """One by one it would take so long that the page shows the places in the queue as they were."""
    paths: list[str] = []
    page.on("request", lambda request: paths.append(urlsplit(request.url).path))
    artist.open("queue")
    expect(page.locator(".queue li")).to_have_count(len(submitted))
    one_by_one = [path for path in paths if re.search(r"/tasks/\w+$", path)]
    for task_id in submitted[:-3]:
        artist.service.http.delete(f"/v1/tasks/{task_id}")
    expect(page.locator(".queue li")).to_have_count(3, timeout=START_MS)
    assert one_by_one == []


def test_priority_moves_a_waiting_task_forward(artist: Artist, page: Page, submitted: list[str]) -> None:
    artist.open("queue")
    newest = f"house {len(submitted) - 1}"
    expect(page.locator(".queue li").last).to_contain_text(newest)
    page.locator(".queue li").filter(has_text=newest).get_by_label("Priority").select_option("high")
    expect(page.locator(".queue li").last).not_to_contain_text(newest)
    assert artist.service.task(submitted[-1])["priority"] == "high"
    running = page.locator(".queue li").filter(has_text="house 0")
    expect(running.get_by_label("Priority")).to_have_count(0, timeout=START_MS)
