"""What people need: screen readers, keyboards, phones, both languages, dark and light."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.artist import QUICK_STEPS, Artist, drag, png, submits_nothing
from tests.support.page_build import SOURCES, install

AXE = SOURCES / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
TASKS = {
    "en": ["From text", "Change a picture", "Inpaint", "Erase", "Extend", "Control", "Enlarge", "All tasks"],
    "zh": ["文生图", "图生图", "局部重绘", "擦除", "扩图", "控制", "放大", "全部任务"],
}
NAMES = re.compile(r"Hua|LoRA|API|CFG|English|Ctrl\+Z|OpenAPI|JSON|PNG|JPEG|WebP|zip|ComfyUI|A1111")
"""Latin words of the Chinese page that are names everywhere."""
PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True}
LEAST_TOUCH_SIDE = 44
WORDS_OF_THE_PAGE = """() => {
    const others = "[lang=en], option[value], .announcer, pre, article .words, .answer, .pictures, h2";
    const own = (element) => !element.closest(others);
    const texts = [];
    const walker = document.createTreeWalker(document.getElementById("app"), NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) if (own(walker.currentNode.parentElement)) texts.push(walker.currentNode.data);
    for (const element of document.querySelectorAll("#app *"))
        if (own(element)) for (const name of ["aria-label", "placeholder", "title", "alt"])
            if (element.getAttribute(name)) texts.push(element.getAttribute(name));
    return texts;
}"""


@pytest.fixture
def axe(context: BrowserContext) -> Callable[[Page, str], None]:
    """Fails for what axe-core finds on a page."""
    install()
    context.add_init_script(path=AXE)

    def check(page: Page, where: str) -> None:
        found = page.evaluate("(tags) => axe.run({ runOnly: tags, resultTypes: ['violations'] })", TAGS)
        faults = [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found["violations"]]
        assert not faults, f"{where}: {faults}"

    return check


@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("zh", "dark")])
def test_axe_finds_no_fault(
    artist: Artist, page: Page, photo: np.ndarray, axe: Callable[[Page, str], None], scheme: str, language: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    artist.open()
    artist.write("a red house on the grass", Images=2)
    task = artist.generate().task
    page.locator("header select").select_option(language)
    for name in TASKS[language]:
        artist.choose_task(name)
        if chooser := page.locator(".stage input[type=file]").all():
            chooser[0].set_input_files({"name": "photo.png", "mimeType": "image/png", "buffer": png(photo)})
            page.locator(".stage .ground, .stage .drop img").first.wait_for()
        axe(page, name)
    artist.choose_task(TASKS[language][0])
    page.locator("button.choose").click()
    axe(page, "models")
    page.keyboard.press("Escape")
    for view in ("gallery", "queue", "machine"):
        page.locator(f"nav a[href='#{view}']").click()
        page.locator(f"section.{view}").wait_for()
        axe(page, view)
    page.locator("nav a[href='#gallery']").click()
    artist.card(task["id"]).locator("button.view").first.click()
    page.get_by_role("dialog").wait_for()
    axe(page, "viewer")


@pytest.mark.parametrize("context_options", [{"locale": "zh-CN"}])
def test_chinese_page_has_no_english_words_but_names(artist: Artist, page: Page, photo: np.ndarray) -> None:
    http = artist.service.http
    models = http.get("/v1/models?per_page=200").json()["data"]
    names = {model[key] or "" for model in models for key in ("name", "title", "family", "hint")}
    names |= {"DPM++", "Euler", "Karras", "SDE", "UniPC", "DDIM", "Heun", "LMS", "LCM"}
    names |= {pipeline["name"] for pipeline in http.get("/v1/pipelines").json()}
    page.goto(f"http://127.0.0.1:{artist.service.port}/")
    page.get_by_label("提示词", exact=True).fill("草地上的红房子")
    with page.expect_response(
        lambda response: response.request.method == "POST" and "v1/tasks" in response.url
    ) as sent:
        page.get_by_role("button", name="生成").click()
    card = artist.card(sent.value.json()["id"])
    card.and_(page.locator(".succeeded")).wait_for()
    seen: set[str] = set()
    for name in TASKS["zh"]:
        artist.choose_task(name)
        if chooser := page.locator(".stage input[type=file]").all():
            chooser[0].set_input_files({"name": "photo.png", "mimeType": "image/png", "buffer": png(photo)})
            page.locator(".stage .ground, .stage .drop img").first.wait_for()
        seen.update(page.evaluate(WORDS_OF_THE_PAGE))
    for view in ("gallery", "queue", "machine"):
        page.locator(f"nav a[href='#{view}']").click()
        page.locator(f"section.{view}").wait_for()
        seen.update(page.evaluate(WORDS_OF_THE_PAGE))
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    english = [words for words in seen if re.search("[A-Za-z]{3}", NAMES.sub("", without(words, names)))]
    assert not english, english


def without(words: str, names: set[str]) -> str:
    for name in sorted(names, key=len, reverse=True):
        words = words.replace(name, "")
    return words


def test_language_is_kept(artist: Artist, page: Page) -> None:
    artist.open()
    page.get_by_label("Language").select_option("zh")
    expect(page.get_by_role("button", name="生成")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="生成")).to_be_visible()


def test_theme_is_chosen_and_kept(artist: Artist, page: Page) -> None:
    def brightness() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(level) for level in re.findall(r"\d+", colour)[:3])

    artist.open()
    artist.press("Auto")
    assert brightness() > 600
    artist.press("Light")
    assert brightness() < 120
    page.reload()
    artist.page.get_by_role("button", name="Dark").wait_for()
    assert brightness() < 120


@pytest.mark.parametrize("context_options", [PHONE])
def test_every_view_fits_a_phone_and_is_touched_easily(artist: Artist, page: Page, photo: np.ndarray) -> None:
    artist.open()
    for name in TASKS["en"]:
        page.locator(".segments").first.get_by_role("button", name=name, exact=True).tap()
        if chooser := page.locator(".stage input[type=file]").all():
            chooser[0].set_input_files({"name": "photo.png", "mimeType": "image/png", "buffer": png(photo)})
        assert artist.sideways() <= 0, name
        small = [
            button.inner_text() or button.get_attribute("aria-label")
            for button in page.locator("button:visible:not(.edge), select:visible, summary:visible").all()
            if (box := button.bounding_box()) and min(box["width"], box["height"]) < LEAST_TOUCH_SIDE - 0.5
        ]
        assert not small
    for view in ("gallery", "queue", "machine"):
        page.locator(f"nav a[href='#{view}']").tap()
        page.locator(f"section.{view}").wait_for()
        assert artist.sideways() <= 0, view


def test_wrong_field_is_shown_and_focused(artist: Artist, page: Page) -> None:
    artist.open()
    artist.write("a house")
    page.get_by_text("Everything else").click()
    artist.field("clip skip").evaluate("input => input.removeAttribute('max')")
    artist.field("clip skip").fill("99")
    page.get_by_text("Everything else").click()
    with page.expect_response(lambda response: response.status == 422):
        artist.press("Generate")
    expect(artist.field("clip skip")).to_be_focused()
    expect(artist.field("clip skip")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".field.wrong .error")).to_contain_text("clip_skip")


def test_missing_prompt_is_told_and_focused(artist: Artist) -> None:
    artist.open()
    artist.press("Generate")
    expect(artist.field("Prompt")).to_be_focused()
    expect(artist.page.get_by_role("status").filter(has_text="Write what the image should show.")).to_be_visible()


def test_value_that_the_browser_refuses_is_unfolded(artist: Artist, page: Page) -> None:
    artist.open()
    artist.write("a house", steps=500)
    page.get_by_text("Sampler, steps, guidance").click()
    expect(artist.field("Steps")).to_be_hidden()
    artist.press("Generate")
    expect(artist.field("Steps")).to_be_focused()


def test_enter_in_a_search_chooses_and_sends_nothing(artist: Artist, page: Page) -> None:
    artist.open()
    artist.write("a house", steps=QUICK_STEPS)
    artist.press("Add a LoRA")
    with submits_nothing(page):
        page.get_by_role("searchbox").fill("neon")
        page.keyboard.press("Enter")
        artist.press("Close")
    expect(page.get_by_role("button", name="Add a LoRA")).to_be_focused()
    expect(artist.field("toy-neon")).to_have_value("0.8")


def test_weights_and_completions_by_keys(artist: Artist, page: Page) -> None:
    artist.open()
    prompt = artist.field("Prompt")
    prompt.fill("a red house")
    prompt.press("End")
    prompt.press("Control+ArrowUp")
    prompt.press("Control+ArrowUp")
    expect(prompt).to_have_value("a red (house:1.2)")
    prompt.press("Control+ArrowDown")
    expect(prompt).to_have_value("a red (house:1.1)")
    prompt.fill("")
    prompt.press_sequentially("<neon")
    prompt.press("Enter")
    expect(prompt).to_have_value("<lora:toy-neon:0.8>")
    expect(page.get_by_text("of 75 tokens")).to_be_visible()


def test_edges_are_moved_by_keys(artist: Artist, page: Page, photo: np.ndarray) -> None:
    artist.open()
    artist.choose_task("Extend")
    page.get_by_label("Choose a picture").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": png(photo)}
    )
    edge = page.get_by_role("button", name="Add on the left")
    edge.press("ArrowLeft")
    edge.press("ArrowLeft")
    expect(page.get_by_text("The result will be 144 × 128.")).to_be_visible()
    drag(page, edge, (0.5, 0.5), (0.5, 0.6))
    expect(page.get_by_text("The result will be 144 × 128.")).to_be_visible()
