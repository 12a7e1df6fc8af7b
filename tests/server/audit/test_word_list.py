import pytest

from server.audit.word_list import LIST_NAME, MAX_LENGTH, Problem, Rule, read_lines

LIST = """
# a comment
porn
  blow job
child+nude
!naked eye
## adult films
色情 + 电影
"""


def test_lines_are_words_pairs_exceptions_and_groups() -> None:
    assert list(read_lines("sexual.explicit", LIST)) == [
        Rule("sexual.explicit", "sexual/explicit", ("porn",)),
        Rule("sexual.explicit", "sexual/explicit", ("blow job",)),
        Rule("sexual.explicit", "sexual/explicit", ("child", "nude")),
        Rule("sexual.explicit", "sexual/explicit", ("naked eye",), allowed=True),
        Rule("sexual.explicit", "sexual/explicit/adult films", ("色情", "电影")),
    ]


@pytest.mark.parametrize("mark", ["# pinyin", "#pinyin"])
def test_pinyin_is_on_for_the_list_that_asks_for_it(mark: str) -> None:
    assert list(read_lines("a", f"色情\n!红色情\n{mark}")) == [
        Rule("a", "a", ("色情",), pinyin=True),
        Rule("a", "a", ("红色情",), allowed=True),
    ]


@pytest.mark.parametrize("line", ["a+", "+", "!", "secret++b", "x" * (MAX_LENGTH + 1)])
def test_wrong_line_is_named_by_its_number_alone(line: str) -> None:
    (problem,) = read_lines("a", f"\n{line}\n")
    assert isinstance(problem, Problem)
    assert problem.line == 2
    assert "write one word" in problem.message
    assert "secret" not in problem.message


@pytest.mark.parametrize("name", ["sexual", "politics.people", "a.b.c", "色情"])
def test_names_of_lists(name: str) -> None:
    assert LIST_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "a b", "a.b.c.d", ".a", "a..b", "a/b"])
def test_names_of_no_lists(name: str) -> None:
    assert not LIST_NAME.fullmatch(name)
