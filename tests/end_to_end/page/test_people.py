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
VIEWS = ("tools", "gallery", "queue", "machine")
LOOKS = (
    ("en", "light", TAGS),
    ("en", "dark", ["color-contrast"]),
    ("zh", "dark", TAGS),
    ("zh", "light", ["color-contrast"]),
)
"""Language, theme, and what axe-core looks for."""
CHOOSE = """(list, value) => {
    list.value = value;
    list.dispatchEvent(new Event("change", { bubbles: true }));
}"""
"""Chooses in a list that a dialog covers."""
NAMES = re.compile(r"Hua|LoRA|CLIP|HSV|VAE|API|CFG|English|Ctrl\+Z|OpenAPI|JSON|PNG|JPEG|WebP|zip|ComfyUI|A1111")
"""Latin words of the Chinese page that are names everywhere."""
PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "is_mobile": True}
LEAST_TOUCH_SIDE = 44
SMALL = """(least) =>
    [...document.querySelectorAll("button:not(.edge), select, summary")]
        .filter((element) => element.checkVisibility())
        .filter((element) => {
            const { width, height } = element.getBoundingClientRect();
            return Math.min(width, height) < least - 0.5;
        })
        .map((element) => element.innerText || element.ariaLabel)"""
"""The names of what is too small for a finger."""
WORDS_OF_THE_PAGE = """() => {
    const names = "[lang=en], option[value], .everything option, .more small";
    const others = `${names}, .announcer, pre, article .words, .answer, .pictures, h2`;
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
    """Fails for what axe-core finds on a page, in both languages and themes.

    A theme changes nothing but colours, so all rules are checked in one theme of each language."""
    install()
    context.add_init_script(path=AXE)

    def check(page: Page, where: str) -> None:
        for language, theme, rules in LOOKS:
            page.locator("header select").evaluate(CHOOSE, language)
            page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            found = page.evaluate("(rules) => axe.run({ runOnly: rules, resultTypes: ['violations'] })", rules)
            faults = [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found["violations"]]
            assert not faults, f"{where}, {language}, {theme}: {faults}"

    return check


def test_axe_finds_no_fault(artist: Artist, page: Page, photo: np.ndarray, axe: Callable[[Page, str], None]) -> None:
    artist.open()
    artist.write("a red house on the grass", Images=2)
    task = artist.generate().task
    for place, name in enumerate(TASKS["en"]):
        page.locator(".segments").first.get_by_role("button").nth(place).click()
        if chooser := page.locator(".stage input[type=file]").all():
            chooser[0].set_input_files({"name": "photo.png", "mimeType": "image/png", "buffer": png(photo)})
            page.locator(".stage .ground, .stage .drop img").first.wait_for()
        page.evaluate("for (const folded of document.querySelectorAll('.panel details')) folded.open = true")
        axe(page, name)
    page.locator(".segments").first.get_by_role("button").first.click()
    page.locator("button.choose").click()
    axe(page, "models")
    page.keyboard.press("Escape")
    for view in VIEWS:
        page.locator(f"nav a[href='#{view}']").click()
        page.locator(f"nav a[href='#{view}'][aria-current]").wait_for()
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


@pytest.mark.parametrize("languages", [["fr-FR", "zh-TW", "en-US"], ["fr-FR", "en-GB", "zh-CN"], ["fr-FR"]])
def test_first_visit_has_the_language_of_the_browser(artist: Artist, page: Page, languages: list[str]) -> None:
    page.add_init_script(f"Object.defineProperty(navigator, 'languages', {{ get: () => {languages} }})")
    page.goto(f"http://127.0.0.1:{artist.service.port}/")
    expect(page.get_by_role("button", name="生成" if "zh-TW" in languages else "Generate")).to_be_visible()
    assert page.evaluate("localStorage.getItem('hua-language')") is None


@pytest.mark.parametrize("context_options", [{"locale": "zh-CN"}])
def test_refusal_is_told_in_chinese_with_the_name_of_the_field(artist: Artist, page: Page) -> None:
    page.goto(f"http://127.0.0.1:{artist.service.port}/")
    page.get_by_label("提示词", exact=True).fill("房子")
    page.get_by_text("其他参数").click()
    skip = page.get_by_label("CLIP 跳过层数", exact=True)
    skip.evaluate("input => input.removeAttribute('max')")
    skip.fill("99")
    page.get_by_role("button", name="生成").click()
    expect(page.locator(".field.wrong .error")).to_contain_text("参数无效（CLIP 跳过层数）：")
    expect(skip).to_be_focused()


@pytest.mark.parametrize(("language", "words"), [("en", "Number of last text-encoder"), ("zh", "跳过文本编码器")])
def test_help_is_unfolded_by_keys(artist: Artist, page: Page, language: str, words: str) -> None:
    artist.open()
    page.locator("header select").select_option(language)
    page.locator(".panel > details > summary").last.press("Enter")
    field = page.locator(".everything .field").filter(has_text=words)
    expect(field.get_by_text(words)).to_be_hidden()
    field.locator("summary").press("Enter")
    expect(field.get_by_text(words)).to_be_visible()
    assert field.locator("small").get_attribute("id") == field.locator("input").get_attribute("aria-describedby")


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
        small = page.evaluate(SMALL, LEAST_TOUCH_SIDE)
        assert not small
    for view in VIEWS:
        page.locator(f"nav a[href='#{view}']").tap()
        page.locator(f"nav a[href='#{view}'][aria-current]").wait_for()
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


def test_weights_by_keys(artist: Artist, page: Page) -> None:
    artist.open()
    prompt = artist.field("Prompt")
    prompt.fill("a red house")
    prompt.press("End")
    prompt.press("Control+ArrowUp")
    prompt.press("Control+ArrowUp")
    expect(prompt).to_have_value("a red (house:1.2)")
    prompt.press("Control+ArrowDown")
    expect(prompt).to_have_value("a red (house:1.1)")
    expect(page.get_by_text("of 75 tokens")).to_be_visible()


@pytest.mark.parametrize(
    ("typed", "option", "completed"),
    [
        ("<neon", "Toy LoRA: neon", "<lora:toy-neon:0.8>"),
        ("a car, toy-emb", "Toy embedding", "a car, toy-embedding"),
        ("a __seas", "__seasons__", "a __seasons__"),
    ],
)
def test_names_are_completed(artist: Artist, page: Page, typed: str, option: str, completed: str) -> None:
    page.route(re.compile("/v1/wildcards"), lambda route: route.fulfill(json=[{"name": "seasons"}]))
    artist.open()
    prompt = artist.field("Prompt")
    prompt.press_sequentially(typed)
    completion = page.locator(".completions li")
    expect(completion.first).to_have_text(option)
    prompt.press("Escape")
    expect(completion).to_have_count(0)
    prompt.press_sequentially("x")
    prompt.press("Backspace")
    prompt.press("Tab")
    expect(prompt).to_have_value(completed)
    expect(prompt).to_be_focused()


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
