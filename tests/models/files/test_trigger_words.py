import json

import pytest

from models.files.trigger_words import MOST_WORDS, trigger_words


def test_most_frequent_tags_of_all_folders_come_first() -> None:
    tags = {"10_ink": {"ink": 5, "bird ": 2, "": 90}, "5_more": {"bird": 4, "tree": 1}}
    assert trigger_words({"ss_tag_frequency": json.dumps(tags)}) == ("bird", "ink", "tree")


def test_phrase_of_the_author_comes_before_the_tags() -> None:
    metadata = {"modelspec.trigger_phrase": "inkstyle", "ss_tag_frequency": '{"a": {"bird": 1}}'}
    assert trigger_words(metadata) == ("inkstyle", "bird")


def test_words_are_limited() -> None:
    tags = {"a": {f"tag{number}": 100 - number for number in range(50)}}
    words = trigger_words({"ss_tag_frequency": json.dumps(tags)})
    assert words == tuple(f"tag{number}" for number in range(MOST_WORDS))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": {"b": "x"}}', '{"a": {"b": 1e999}}', "[" * 99999])
def test_metadata_that_cannot_be_read_gives_no_words(text: str) -> None:
    assert trigger_words({"ss_tag_frequency": text}) == ()
