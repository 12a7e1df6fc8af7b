import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.toy.world import caption_of, chinese_caption_of, scene_of
from server.audit.word_lists import STARTER, CurrentWordLists, WordListError, WordLists, read_word_lists
from tests.support.clock import Clock

HERE = Path(__file__).parent


def labels(lists: WordLists, text: str) -> list[str]:
    return [match.rule.label for match in lists.find(text)]


def lines(name: str) -> Iterator[str]:
    with (HERE / name).open(encoding="utf-8", newline="\n") as file:
        yield from (line.rstrip("\n") for line in file if not line.startswith("#"))


@pytest.fixture(scope="module")
def starter() -> WordLists:
    return read_word_lists(STARTER)


def test_starter_lists_find_disguised_words(starter: WordLists) -> None:
    evasions = [line.split("\t") for line in lines("evasions.txt")]
    missed = [f"{how}: {text}" for how, text in evasions if not starter.find(text)]
    assert len(evasions) == 300
    assert len(missed) <= 15, missed


def test_starter_lists_let_harmless_prompts_pass(starter: WordLists) -> None:
    chance = random.Random(1)
    scenes = [scene_of(chance) for _ in range(1000)]
    prompts = [*lines("harmless.txt"), *map(caption_of, scenes), *map(chinese_caption_of, scenes)]
    wrong = [text for text in prompts if starter.find(text)]
    assert len(prompts) > 2000
    assert len(wrong) <= len(prompts) / 100, wrong


def test_lists_have_the_names_of_their_files(words: Path) -> None:
    lists = read_word_lists(words)
    assert lists.names == ("politics.people", "sexual")
    assert sorted(labels(lists, "porn of the red queen, 裸體")) == ["politics/people", "sexual", "sexual/nudity"]


def test_exception_counts_where_it_stands_and_in_its_list(words: Path) -> None:
    lists = read_word_lists(words)
    assert labels(lists, "the porn museum") == []
    assert labels(lists, "the porn museum and porn") == ["sexual"]
    (words / "other.txt").write_text("porn")
    assert labels(read_word_lists(words), "the porn museum") == ["other"]


def test_files_of_windows_are_read(words: Path) -> None:
    (words / "a.txt").write_bytes("\ufeffone\r\ntwo\r\n".encode())
    assert labels(read_word_lists(words), "one, two") == ["a", "a"]


def test_wrong_lines_are_logged_by_number_alone(words: Path, caplog: pytest.LogCaptureFixture) -> None:
    (words / "a.txt").write_text("good\nsecret+\n" + "+\n" * 9)
    assert labels(read_word_lists(words), "good secret") == ["a"]
    assert "line 2 is left out" in caplog.text
    assert "5 more lines" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("a b.txt", b"x", "no name of a word list"), ("a.txt", b"\xff\xfe", "not UTF-8"), ("a.b.c.d.txt", b"x", "LABEL")],
)
def test_wrong_file_is_refused(words: Path, name: str, content: bytes, message: str) -> None:
    (words / name).write_bytes(content)
    with pytest.raises(WordListError, match=message):
        read_word_lists(words)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WordListError, match="HUA_WORDS"):
        read_word_lists(tmp_path / "none")


async def test_changed_lists_are_read_again(words: Path) -> None:
    clock = Clock()
    lists = CurrentWordLists(words, clock)
    before = await lists.current()
    assert labels(before, "gore") == []
    (words / "violence.txt").write_text("gore")
    assert await lists.current() is before
    clock.pass_by(1)
    assert labels(await lists.current(), "gore") == ["violence"]
    (words / "violence.txt").unlink()
    clock.pass_by(1)
    assert labels(await lists.current(), "gore") == []
    after = await lists.current()
    clock.pass_by(1)
    assert await lists.current() is after


async def test_file_swapped_by_a_mount_is_noticed(words: Path) -> None:
    clock = Clock()
    lists = CurrentWordLists(words, clock)
    await lists.current()
    times = (words / "sexual.txt").stat()
    swapped = words / ".new"
    swapped.write_text("gore" + " " * (times.st_size - 4))
    os.utime(swapped, ns=(times.st_atime_ns, times.st_mtime_ns))
    swapped.replace(words / "sexual.txt")
    clock.pass_by(1)
    assert labels(await lists.current(), "gore, porn") == ["sexual"]


async def test_broken_list_leaves_the_lists_as_they_were(words: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    lists = CurrentWordLists(words, clock)
    await lists.current()
    (words / "sexual.txt").write_bytes(b"\xff")
    for _ in range(3):
        clock.pass_by(1)
        assert labels(await lists.current(), "porn") == ["sexual"]
    assert caplog.text.count("the word lists stay as they were") == 1
    (words / "sexual.txt").write_text("gore")
    clock.pass_by(1)
    assert labels(await lists.current(), "porn, gore") == ["sexual"]


async def test_lists_that_were_never_read_are_an_error(tmp_path: Path) -> None:
    lists = CurrentWordLists(tmp_path / "none", Clock())
    with pytest.raises(WordListError):
        await lists.current()
    (tmp_path / "none").mkdir()
    assert (await lists.current()).names == ()


async def test_without_a_folder_the_starter_lists_are_used(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert (await CurrentWordLists(None).current()).names == ("sexual", "violence")
    assert caplog.text == ""
