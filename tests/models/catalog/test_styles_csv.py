from pathlib import Path

import pytest

from models import catalog
from models.catalog.entry import FILE, CatalogError
from models.catalog.folder_reader import FolderReader
from models.catalog.styles_csv import STYLES_FILE, read_styles_csv

TABLE = """name,prompt,negative_prompt
None,,
---- ours ----,,
Ink,"ink painting of {prompt}, paper","photo, 3d"
墨,"水墨,
宣纸",
Blur only,,blurry
"""


def test_rows_are_styles(tmp_path: Path) -> None:
    file = tmp_path / STYLES_FILE
    file.write_text(TABLE, "utf-8-sig")
    ink, brush, blur = read_styles_csv(file)
    assert (ink.id, ink.title) == ("Ink", "Ink")
    assert ink.full_prompt("a cat") == "ink painting of a cat, paper"
    assert ink.full_negative_prompt("blur") == "blur, photo, 3d"
    assert brush.full_prompt("猫") == "猫, 水墨,\n宣纸"
    assert (blur.full_prompt("a cat"), blur.full_negative_prompt("")) == ("a cat", "blurry")


def test_an_old_table_calls_its_prompt_text(tmp_path: Path) -> None:
    (tmp_path / STYLES_FILE).write_text("name,text\nInk,ink\nShort\n")
    assert [style.prompt for style in read_styles_csv(tmp_path / STYLES_FILE)] == ["ink"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column `name`"),
        (b"title,prompt\na,b", "no column `name`"),
        (b"name,prompt\n\xff,b", "UTF-8"),
        (b"name,prompt\na," + b"x" * 200_000, "after line 1"),
        (b"n" * 200_000, "after line"),
        (b"name,prompt\n" + b"x" * 200 + b",b", "id: "),
    ],
)
def test_a_wrong_file_is_one_problem(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / STYLES_FILE
    file.write_bytes(content)
    with pytest.raises(CatalogError, match=message):
        read_styles_csv(file)
    assert [problem.path for problem in catalog.read(tmp_path).problems] == [file]


def test_both_lists_count_and_no_id_twice(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("styles: [{id: Ink, title: first}]")
    (tmp_path / STYLES_FILE).write_text("name,prompt\nInk,a\nOil,b\n")
    models = catalog.read(tmp_path)
    assert [style.title for style in models.styles.values()] == ["first", "Oil"]
    assert "two styles have the id 'Ink'" in models.problems[0].message


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    reader = FolderReader([tmp_path])
    assert not reader().styles
    (tmp_path / STYLES_FILE).write_text("name,prompt\nInk,a\n")
    assert list(reader().styles) == ["Ink"]
    (tmp_path / STYLES_FILE).write_text("name,prompt\nInk,a\nOil,b\n")
    assert list(reader().styles) == ["Ink", "Oil"]
    assert reader() is reader()
