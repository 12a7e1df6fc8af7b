"""The operator's wildcard files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.prompts.dynamic_prompts import DynamicPromptError
from server.prompts.wildcards import Wildcards


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "season").mkdir()
    (tmp_path / "Animals.txt").write_text("\ufeff# ours\n cat \n\n猫\n", "utf-8")
    (tmp_path / "season/spring.txt").write_text("blossom")
    (tmp_path / "season/winter.txt").write_text("snow\nice")
    (tmp_path / "empty.txt").write_text("# none\n")
    (tmp_path / "latin.txt").write_bytes(b"\xff\xfe\xff")
    return tmp_path


def test_lines_by_name(folder: Path) -> None:
    wildcards = Wildcards(folder)
    assert wildcards.names() == ["Animals", "empty", "latin", "season/spring", "season/winter"]
    assert wildcards.lines("animals") == ["cat", "猫"]
    assert wildcards.lines("season/*") == ["blossom", "snow", "ice"]


def test_a_changed_file_is_read_again(folder: Path) -> None:
    wildcards = Wildcards(folder)
    file = folder / "season/spring.txt"
    assert wildcards.lines("season/spring") == ["blossom"]
    file.write_text("petals!")
    os.utime(file, ns=(1, 1))
    assert wildcards.lines("season/spring") == ["petals!"]
    file.unlink()
    with pytest.raises(DynamicPromptError):
        wildcards.lines("season/spring")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("animal", "did you mean Animals"),
        ("../secret", "there is no wildcard"),
        ("empty", "has no lines"),
        ("latin", "cannot be read"),
    ],
)
def test_what_is_no_wildcard_is_refused_by_name(folder: Path, name: str, message: str) -> None:
    with pytest.raises(DynamicPromptError, match=message) as refusal:
        Wildcards(folder).lines(name)
    assert f"__{name}__" in str(refusal.value)
