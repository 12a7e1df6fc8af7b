from pathlib import Path

import pytest

from models import catalog
from models.catalog.entry import FILE, CatalogError
from models.catalog.style import read_style


@pytest.mark.parametrize(
    ("template", "full"),
    [("{prompt}", "a cat"), ("ink, {prompt}, paper", "ink, a cat, paper"), ("ink", "a cat, ink"), ("", "a cat")],
)
def test_prompt_stands_in_the_template(template: str, full: str) -> None:
    assert read_style({"id": "a", "prompt": template}).full_prompt("a cat") == full


@pytest.mark.parametrize(
    ("template", "full"),
    [("{prompt}", ""), ("ink, {prompt}, paper", "ink, paper"), ("{prompt}, ink", "ink"), ("ink of {prompt}", "ink of")],
)
def test_no_comma_is_left_of_an_empty_prompt(template: str, full: str) -> None:
    assert read_style({"id": "a", "prompt": template}).full_prompt("") == full


def test_negative_prompt_is_added() -> None:
    style = read_style({"id": "a", "negative_prompt": "photo"})
    assert (style.full_negative_prompt("blur"), style.full_negative_prompt("")) == ("blur, photo", "photo")


def test_wrong_style_is_refused_with_the_field() -> None:
    with pytest.raises(CatalogError, match=r"loras\.ink"):
        read_style({"id": "a", "loras": {"ink": "much"}})


def test_styles_are_read_in_their_order_and_wrong_ones_reported(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("styles: [{id: 12, title: Ink}, {title: x}, {id: oil}, {id: '12'}]")
    models = catalog.read(tmp_path)
    assert list(models.styles) == ["12", "oil"]
    assert models.styles["12"].title == "Ink"
    assert [problem.names for problem in models.problems] == [(), ()]
    assert "style number 2: id" in models.problems[0].message
    assert "two styles have the id '12'" in models.problems[1].message


def test_models_and_styles_may_be_in_one_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("models: []\nstyles: [{id: a}]")
    assert list(catalog.read(tmp_path).styles) == ["a"]


def test_style_is_found_by_id_and_title(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("styles: [{id: 12, title: Ink}, {id: Oil, title: '12'}]")
    models = catalog.read(tmp_path)
    assert [style and style.id for style in map(models.find_style, ("12", "INK", "oil", "other"))] == [
        "12",
        "12",
        "Oil",
        None,
    ]
