"""Pages in two languages keep step: who changes one changes the other."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHINESE = [ROOT / "README.zh.md", *sorted((ROOT / "docs" / "zh").glob("*.md"))]
CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"\s+#\s.*|^#.*", re.MULTILINE)
INLINE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ADDRESS = re.compile(r"<https?:[^>]+>")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def english(page: Path) -> Path:
    """The page that `page` translates; a page that is no translation is its own."""
    return (
        page.with_name("README.md") if page.name == "README.zh.md" else Path(str(page).replace("/docs/zh/", "/docs/"))
    )


def sections(page: Path) -> Iterator[tuple[int, str]]:
    """The level of each heading, and what stands below it. What is above all headings has level 0."""
    level, lines, in_code = 0, list[str](), False
    for line in page.read_text(encoding="utf-8").splitlines():
        in_code ^= line.startswith("```")
        if (heading := re.match(r"#+ ", line)) and not in_code:
            yield level, "\n".join(lines)
            level, lines = len(heading[0]), []
        else:
            lines.append(line)
    yield level, "\n".join(lines)


def unchanged_by_translation(page: Path, text: str) -> dict[str, object]:
    """What a section must have in both languages. Comments of commands are translated, and words may change places."""
    prose = CODE.sub("", text)
    links = [link if "://" in link else str(english((page.parent / link).resolve())) for link in LINK.findall(prose)]
    plain = LINK.sub("]", ADDRESS.sub("", INLINE.sub("", prose)))
    lines = [line for line in prose.splitlines() if line]
    return {
        "code": [COMMENT.sub("", block).split() for block in CODE.findall(text)],
        "links": Counter(links + ADDRESS.findall(prose)),
        "names": Counter(INLINE.findall(prose)),
        "numbers": Counter(NUMBER.findall(plain)),
        "table rows": sum(line.startswith("|") for line in lines),
        "list items": sum(bool(re.match(r"([*-]|\d+\.) ", line)) for line in lines),
        "paragraphs": len([part for part in prose.split("\n\n") if part.strip()]),
    }


def only_in_one(differences: Mapping[str, tuple[object, object]]) -> dict[str, object]:
    """What English alone has, and what Chinese alone has."""
    return {
        name: (dict(one - other), dict(other - one))
        if isinstance(one, Counter) and isinstance(other, Counter)
        else (one, other)
        for name, (one, other) in differences.items()
    }


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: str(page.relative_to(ROOT)))
def test_chinese_page_keeps_step(page: Path) -> None:
    original = english(page)
    for (level, text), (chinese_level, translated) in zip_longest(
        sections(original), sections(page), fillvalue=(0, "")
    ):
        assert chinese_level == level, (text, translated)
        wanted, found = unchanged_by_translation(original, text), unchanged_by_translation(page, translated)
        differences = {name: (wanted[name], found[name]) for name in wanted if wanted[name] != found[name]}
        assert not differences, f"{only_in_one(differences)} in the section that begins with {translated[:80]!r}"


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: str(page.relative_to(ROOT)))
def test_chinese_page_leads_to_chinese_pages(page: Path) -> None:
    translated = {english(each) for each in CHINESE} - {english(page)}
    links = [(page.parent / link).resolve() for link in LINK.findall(page.read_text(encoding="utf-8"))]
    assert not translated & set(links)


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: str(page.relative_to(ROOT)))
def test_both_languages_lead_to_each_other(page: Path) -> None:
    original = english(page)
    for one, other in ((page, original), (original, page)):
        first = next(link for link in LINK.findall(one.read_text(encoding="utf-8")))
        assert (one.parent / first).resolve() == other
