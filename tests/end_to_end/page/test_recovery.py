"""What the page says and does while the server is away, slow, or refuses, and afterwards."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.artist import Artist

API = re.compile(r"/v1/")
RETRIES_MS = 3000
"""In which the page tries again, whatever it tries."""
AWAY = "The server does not answer; this page keeps trying."


def answer(status: int, **headers: str) -> Callable[[Route], None]:
    body = {"error": {"code": "busy", "message": "Too many tasks.", "field": None}}
    return lambda route: route.fulfill(status=status, headers=headers, json=body)


def test_page_that_is_opened_while_the_server_is_away_recovers_alone(artist: Artist, page: Page) -> None:
    artist.open()
    artist.write("a house", steps=2)
    task_id = artist.generate().task["id"]
    page.route(API, lambda route: route.abort())
    page.clock.install()
    page.reload()
    expect(page.get_by_role("alert").filter(has_text=AWAY)).to_be_visible()
    expect(artist.card(task_id)).to_be_hidden()
    page.unroute(API)
    page.clock.run_for(RETRIES_MS)
    expect(artist.card(task_id)).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text=AWAY)).to_be_hidden()
    artist.write("a house", steps=2)
    artist.generate()


def test_server_that_goes_away_for_a_minute_is_told_and_found_again(artist: Artist, page: Page) -> None:
    page.clock.install()
    artist.open()
    page.route(API, lambda route: route.abort())
    page.clock.run_for(3000)
    expect(page.get_by_role("alert").filter(has_text=AWAY)).to_be_visible()
    artist.field("Prompt").fill("a house")
    artist.press("Generate")
    expect(page.get_by_role("status").filter(has_text=AWAY)).to_be_visible()
    page.clock.run_for(60_000)
    page.unroute(API)
    page.clock.run_for(3000)
    expect(page.get_by_role("alert").filter(has_text=AWAY)).to_be_hidden()
    assert artist.field("Prompt").input_value() == "a house"


def test_server_that_never_answers_is_told(artist: Artist, page: Page) -> None:
    artist.open()
    page.clock.install()
    held: list[Route] = []
    page.route(re.compile("/v1/overview"), lambda route: held.append(route))
    page.reload()
    expect(artist.field("Prompt")).to_be_visible()
    page.clock.run_for(31_000)
    expect(page.get_by_role("alert").filter(has_text=AWAY)).to_be_visible()
    for route in held:
        route.abort()
    page.unroute(re.compile("/v1/overview"))
    page.clock.run_for(3000)
    expect(page.get_by_role("alert").filter(has_text=AWAY)).to_be_hidden()


def test_status_503_is_told_until_it_ends(artist: Artist, page: Page) -> None:
    page.clock.install()
    artist.open()
    page.route(re.compile("/v1/overview"), answer(503))
    page.clock.run_for(RETRIES_MS)
    told = page.get_by_role("alert").filter(has_text="The server answered 503; this page keeps trying.")
    expect(told).to_be_visible()
    page.unroute(re.compile("/v1/overview"))
    page.clock.run_for(RETRIES_MS)
    expect(told).to_be_hidden()


def test_refusal_of_a_task_is_told_with_when_to_try_again(artist: Artist, page: Page) -> None:
    artist.open()
    artist.write("a house", steps=2)
    page.route(re.compile("/v1/tasks$"), answer(429, **{"Retry-After": "7"}))
    artist.press("Generate")
    expect(page.get_by_role("status").filter(has_text="Too many tasks. Try again in 7 s.")).to_be_visible()
    page.unroute(re.compile("/v1/tasks$"))
    artist.generate()
    expect(page.get_by_text("Too many tasks.")).to_be_hidden()


@pytest.mark.parametrize("cut", ["aborted", "503", "ended"])
def test_task_is_followed_on_when_its_events_are_cut(artist: Artist, page: Page, cut: str) -> None:
    events, cuts = re.compile("/events$"), []

    def interrupt(route: Route) -> None:
        cuts.append(route.request.url)
        if cut == "aborted":
            route.abort()
        elif cut == "503":
            route.fulfill(status=503, json={})
        else:
            route.fulfill(status=200, content_type="text/event-stream", body='event: queued\ndata: {"position": 1}\n\n')

    page.clock.install()
    artist.open()
    artist.write("a house", steps=2)
    page.route(events, interrupt)
    card = artist.card(artist.submit())
    expect(card).to_contain_text("next in the queue" if cut == "ended" else "connection lost, trying again")
    page.unroute(events)
    page.clock.run_for(RETRIES_MS)
    expect(card).to_have_class(re.compile("succeeded"))
    assert cuts
