"""`python -m tests.support.screenshots FOLDER`: takes the screenshots of docs/page.md, as `make screenshots` does.

A server paints real pictures with the toy models, in a browser that presses what a person presses.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.artist import Artist, drag
from tests.support.running_service import RunningService
from tests.support.tools import installed, until

DESKTOP = {"viewport": {"width": 1280, "height": 960}, "locale": "en-US"}
PHONE = {"viewport": {"width": 390, "height": 844}, "locale": "zh-CN", "has_touch": True, "is_mobile": True}
QUALITY = 82
TIMEOUT_MS = 60_000
LONG_STEPS = 100
PROMPTS = (
    "a yellow moon at night",
    "a blue boat by the sea",
    "an orange balloon in the sky",
    "a green tree on the grass",
    "a purple flower on a white background",
    "a red car on the grass",
    "a black cat on a pink background",
)
STYLES = """name,prompt,negative_prompt
Seaside,"{prompt} by the sea",
Night,"{prompt} at night",a sun
Studio,"{prompt} on a white background",
"""


class Photographer:
    """Goes through the page, and keeps what it looks like."""

    def __init__(self, browser: Browser, service: RunningService, models: Path, folder: Path) -> None:
        self._browser = browser
        self._service = service
        self._models = models
        self._folder = folder

    def take_all(self) -> None:
        self._add_previews()
        for prompt in PROMPTS:
            self._paint_for_api(text=prompt)
        with self._page(DESKTOP) as page:
            artist = Artist(page, self._service)
            self._paint(artist)
            self._change(artist)
            self._take_adapters(artist)
        with self._page(DESKTOP) as page:
            self._take_views(Artist(page, self._service))
        with self._page(PHONE) as page:
            page.goto(f"http://127.0.0.1:{self._service.port}/#paint")
            page.get_by_role("textbox", name="提示词", exact=True).fill("草地上的红房子")
            page.get_by_role("button", name="生成", exact=True).click()
            page.locator("article.succeeded").filter(has_text="草地上的红房子").locator("button.view img").wait_for()
            self._keep(page, "phone", top=False)

    def _paint_for_api(self, **params: object) -> str:
        """The address of a picture that the page has not asked for."""
        task = self._service.ended(self._service.submit(w=128, h=128, num_steps=20, seed=3, **params))
        return str(task["images"][0]["url"])

    def _add_previews(self) -> None:
        """The LoRAs get pictures of what they do."""
        http = self._service.http
        for lora in http.get("/v1/models", params={"family": "lora", "base": "sd1"}).json()["data"]:
            url = self._paint_for_api(text="a red house at night", lora_scales={lora["name"]: 1})
            (self._models / f"{lora['name']}.preview.png").write_bytes(http.get(url).content)
        http.post("/v1/models/refresh").raise_for_status()

    @contextlib.contextmanager
    def _page(self, window: dict[str, object]) -> Iterator[Page]:
        with self._browser.new_context(reduced_motion="reduce", color_scheme="light", **window) as context:
            context.set_default_timeout(TIMEOUT_MS)
            yield context.new_page()

    def _keep(self, page: Page, name: str, top: bool = True) -> None:
        """Keeps what the window shows. `top`: scrolls to the top first."""
        if top:
            page.evaluate("scrollTo(0, 0)")
        page.wait_for_load_state("networkidle")
        with Image.open(io.BytesIO(page.screenshot())) as picture:
            picture.save(self._folder / f"{name}.webp", quality=QUALITY, method=6)

    def _paint(self, artist: Artist) -> None:
        artist.open()
        artist.write("a red house on the grass", steps=20, Seed=7)
        artist.generate()
        self._keep(artist.page, "paint")

    def _change(self, artist: Artist) -> None:
        """A mask, larger edges and a control map, all for the picture that was painted."""
        page = artist.page
        card = page.locator("article.succeeded").first
        card.get_by_text("Use this picture").click()
        artist.press("Inpaint", card)
        canvas = page.get_by_label("Mask: paint what is to change")
        drag(page, canvas, (0.55, 0.12), (0.85, 0.12), (0.85, 0.3), (0.55, 0.3))
        artist.field("Prompt").fill("a yellow sun in the sky")
        self._keep(page, "mask")
        artist.press("Extend", card)
        drag(page, page.locator(".edge.right"), (0.5, 0.5), (16, 0.5))
        artist.field("Prompt").fill("a red house on the grass")
        self._keep(page, "extend")
        artist.press("As control map", card)
        artist.press("Show the map")
        page.get_by_alt_text("The map that is drawn from the picture").scroll_into_view_if_needed()
        self._keep(page, "control", top=False)

    def _take_adapters(self, artist: Artist) -> None:
        artist.choose_task("From text")
        artist.press("Add a style")
        dialog = artist.page.get_by_role("dialog")
        dialog.get_by_role("button", name="Night").click()
        artist.press("Close", dialog)
        artist.press("Add a LoRA")
        dialog.get_by_role("button").nth(1).click()
        self._keep(artist.page, "cards")
        artist.press("Close", dialog)

    def _take_views(self, artist: Artist) -> None:
        page = artist.page
        artist.open()
        artist.write("a blue house by the sea", steps=20, Images=2, Seed=5)
        painted = artist.generate()
        artist.open("tools")
        page.locator(".tool-cards button").first.click()
        self._keep(page, "tools")
        artist.open("gallery")
        page.get_by_label("Search in prompts").fill("sea")
        page.get_by_text("a red car on the grass").wait_for(state="hidden")
        self._keep(page, "gallery")
        artist.card(painted.task["id"]).locator("button.view").first.click()
        artist.press("Compare", page.get_by_role("dialog"))
        self._keep(page, "viewer")
        artist.press("Close", page.get_by_role("dialog"))
        artist.open()
        tasks = []
        for prompt in PROMPTS[:6]:
            artist.write(prompt, steps=LONG_STEPS, Width=256, Height=256, Images=1)
            tasks.append(artist.submit())
        page.get_by_role("link", name="Queue").click()
        page.get_by_alt_text("Preview").first.wait_for()
        self._keep(page, "queue")
        artist.press("Cancel all")
        until(lambda: all(self._service.task(task)["status"] == "canceled" for task in tasks))
        artist.open("machine")
        page.get_by_text("0 queued, 0 running").first.wait_for()
        page.get_by_role("row", name="Toy SD 1", exact=False).first.wait_for()
        self._keep(page, "machine")


def main(folder: Path) -> None:
    # Without a Chinese font, a browser shows boxes in place of words.
    fonts = subprocess.run([installed("fc-list", "fontconfig"), ":lang=zh"], capture_output=True, check=True).stdout
    assert fonts, "there is no Chinese font; install one (Debian: apt-get install fonts-wqy-microhei)"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, contextlib.ExitStack() as stack:
        models = Path(work, "models")
        subprocess.run([sys.executable, "-m", "models.toy", str(models)], check=True)
        (models / "styles.csv").write_text(STYLES, "utf-8")
        service = stack.enter_context(contextlib.closing(RunningService(Path(work, "data"), models)))
        service.start()
        playwright = stack.enter_context(sync_playwright())
        chromium = installed("chromium", "chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        Photographer(stack.enter_context(browser), service, models, folder).take_all()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
