"""A person at the page, in a real browser: what is pressed, and the pictures that come."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, Request, Response

from tests.support.running_service import RunningService

QUICK_STEPS = 6


@dataclass(frozen=True)
class Painted:
    """What a task has painted."""

    task: dict[str, Any]
    """Its reply at the end."""
    pixels: np.ndarray
    """Of its first picture, uint8 [height, width, 3]."""
    card: Locator
    """Where the page shows it."""

    @property
    def params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.task["params"]
        return params


class Artist:
    def __init__(self, page: Page, service: RunningService) -> None:
        self.page = page
        self.service = service

    def open(self, view: str = "paint") -> None:
        """Opens the page, and waits until it knows the models."""
        self.page.goto(f"http://127.0.0.1:{self.service.port}/#{view}")
        if view == "paint":
            self.field("Prompt").wait_for()
            self.page.get_by_role("button", name="Model: Toy SD 1").wait_for()

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True).and_(
            self.page.locator("input:not([type=range]), textarea, select")
        )

    def write(self, prompt: str, steps: int = QUICK_STEPS, **fields: object) -> None:
        """Fills in the prompt, and fields by their labels."""
        self.field("Prompt").fill(prompt)
        for label, value in {"Steps": steps, **fields}.items():
            self.field(label).fill(str(value))

    def press(self, name: str, within: Locator | None = None) -> None:
        (within or self.page).get_by_role("button", name=name, exact=True).click()

    def choose_task(self, name: str) -> None:
        """One of the buttons at the top of the form."""
        self.press(name, self.page.locator(".segments").first)

    def submit(self, keys: str = "") -> str:
        """Sends the form by its button, or by `keys`; the id of the task."""
        with self.page.expect_response(is_submission) as response:
            if keys:
                self.page.keyboard.press(keys)
            else:
                self.press("Generate")
        assert response.value.status == 202, response.value.text()
        return str(response.value.json()["id"])

    def card(self, task_id: str) -> Locator:
        return self.page.locator(f'article[data-id="{task_id}"]')

    def generate(self, keys: str = "") -> Painted:
        """Sends the form, and waits until the page shows the picture."""
        task_id = self.submit(keys)
        card = self.card(task_id)
        card.and_(self.page.locator(".succeeded, .failed")).wait_for()
        task = self.service.task(task_id)
        assert task["status"] == "succeeded", task
        card.locator("button.view img").first.wait_for()
        return Painted(task, self.picture(task["images"][0]["url"]), card)

    def use(self, painted: Painted, name: str) -> None:
        """Presses a button below the picture."""
        if not painted.card.get_by_role("button", name=name, exact=True).is_visible():
            painted.card.get_by_text("Use this picture").click()
        self.press(name, painted.card)

    def picture(self, url: str) -> np.ndarray:
        """The picture behind a link, uint8 [height, width, 3]."""
        return np.asarray(Image.open(io.BytesIO(self.service.http.get(url).content)).convert("RGB"))

    def sideways(self) -> int:
        """By how many pixels the page is wider than the screen."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def is_submission(response: Response) -> bool:
    return response.request.method == "POST" and (response.url.endswith("/v1/tasks") or "/v1/tools/" in response.url)


def drag(page: Page, canvas: Locator, *points: tuple[float, float]) -> None:
    """Draws with the mouse through points: shares of the width and the height."""
    first, *others = (_place(canvas, *point) for point in points)
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def swipe(page: Page, canvas: Locator, *points: tuple[float, float]) -> None:
    """Draws with a finger through points: shares of the width and the height."""
    session = page.context.new_cdp_session(page)
    kind = "touchStart"
    for point in points:
        x, y = _place(canvas, *point)
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        kind = "touchMove"
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def _place(target: Locator, across: float, down: float) -> tuple[float, float]:
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    assert box
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def difference(pixels: np.ndarray, others: np.ndarray) -> float:
    """The mean difference of two pictures. Tasks that are painted together differ by rounding."""
    return float(np.abs(pixels.astype(int) - others).mean())


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


@contextlib.contextmanager
def submits_nothing(page: Page) -> Iterator[None]:
    """Fails if the page submits a task meanwhile."""
    submitted: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/v1/tasks"):
            submitted.append(request.url)

    page.on("request", note)
    yield
    page.remove_listener("request", note)
    assert not submitted
