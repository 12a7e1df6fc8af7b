from hypothesis import given
from hypothesis import strategies as st

from server.audit.word_table import WordTable


def find(words: set[str], text: str) -> set[tuple[int, int, str]]:
    return set(WordTable({word: word for word in words}).find(text))


def test_words_inside_words_are_found() -> None:
    assert find({"a", "ab", "abcd", "abcdef", "cdefg"}, "xabcdefgx") == {
        (1, 2, "a"),
        (1, 3, "ab"),
        (1, 5, "abcd"),
        (1, 7, "abcdef"),
        (3, 8, "cdefg"),
    }


def test_empty_table_finds_nothing() -> None:
    assert not WordTable({})
    assert find(set(), "text") == set()


@given(st.sets(st.text("ab情", min_size=1, max_size=7)), st.text("ab情", max_size=30))
def test_it_finds_what_a_plain_search_finds(words: set[str], text: str) -> None:
    expected = {
        (start, start + len(word), word) for word in words for start in range(len(text)) if text.startswith(word, start)
    }
    assert find(words, text) == expected
