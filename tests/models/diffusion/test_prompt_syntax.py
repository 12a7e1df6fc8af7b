import pytest

from models.diffusion.prompt_syntax import PromptError, WeightedText, chunks, parse

COMMA = ord(",")


def tokens(text: str) -> list[list[int]]:
    """A token per letter; a capital stands for an embedding of ten vectors."""
    return [[-1] * 10 if letter.isupper() else [ord(letter)] for letter in text if not letter.isspace()]


def pieces(prompt: str) -> list[tuple[str | None, float]]:
    return [(piece.text, round(piece.weight, 6)) for piece in parse(prompt)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", [("", 1.0)]),
        ("a cat", [("a cat", 1.0)]),
        ("a (cat)", [("a ", 1.0), ("cat", 1.1)]),
        ("a [cat]", [("a ", 1.0), ("cat", round(1 / 1.1, 6))]),
        ("a (cat:1.3)", [("a ", 1.0), ("cat", 1.3)]),
        ("(cat: .5 )", [("cat", 0.5)]),
        ("(cat:-1)", [("cat", -1.0)]),
        ("((cat))", [("cat", 1.21)]),
        ("(a (cat:1.5) b)", [("a ", 1.1), ("cat", 1.65), (" b", 1.1)]),
        ("([cat])", [("cat", 1.0)]),
        (r"a \(cat\)", [("a (cat)", 1.0)]),
        (r"\[a\] \\", [(r"[a] \\"[:-1], 1.0)]),
        (r"\{a\|b\}", [("{a|b}", 1.0)]),
        (r"(a\:b)", [(r"a\:b", 1.1)]),
        ("a:b", [("a:b", 1.0)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("a BREAK b", [("a ", 1.0), (None, 1.0), (" b", 1.0)]),
        ("BREAKFAST", [("BREAKFAST", 1.0)]),
    ],
)
def test_parse_reads_the_grammar(prompt: str, expected: list[tuple[str | None, float]]) -> None:
    assert pieces(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("(cat", [("cat", 1.1)]),
        ("((cat)", [("cat", 1.21)]),
        ("[cat", [("cat", round(1 / 1.1, 6))]),
        ("cat)", [("cat)", 1.0)]),
        ("cat]", [("cat]", 1.0)]),
        ("cat:1.3)", [("cat:1.3)", 1.0)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1.0), (" c", round(1 / 1.1, 6))]),
        ("()", [("", 1.0)]),
        ("(", [("", 1.0)]),
        ("\\", [("\\", 1.0)]),
    ],
)
def test_parse_closes_open_brackets_at_the_end(prompt: str, expected: list[tuple[str | None, float]]) -> None:
    assert pieces(prompt) == expected


def test_parse_takes_linear_time_on_hostile_prompts() -> None:
    with pytest.raises(PromptError, match="more than 100 brackets"):
        parse("(a" * 10_000)
    assert len(parse("[a]" * 6000)) == 1
    assert parse("a:" + "9" * 50_000)[0].weight == 1.0
    assert parse(" " * 100_000) == [WeightedText(" " * 100_000)]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (f"a (red:{'9' * 42}) house", r"'red' has the weight 1e\+42; weights may be from -100 to 100"),
        (f"a (red:-{'9' * 45}) house", r"'red' has the weight -1e\+45"),
        (f"((red:0):{'9' * 400})", "'red' has the weight nan"),
        ("((red:20):20)", "'red' has the weight 400"),
        ("(" * 49 + "house", r"'house' has the weight 106\.7"),
        ("(" * 5000 + "house", r"more than 100 brackets '\('"),
        ("[" * 101, r"more than 100 brackets '\['"),
    ],
)
def test_parse_refuses_weights_and_depths_beyond_the_limits(prompt: str, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        parse(prompt)


def test_parse_accepts_weights_within_the_limits() -> None:
    assert pieces("(cat:100)(dog:-100)((bird:1000):0.01)") == [("cat", 100), ("dog", -100), ("bird", 10)]
    assert parse("[" * 100 + "cat")[0].weight == pytest.approx(1.1**-100)
    assert pieces(f"(:{'9' * 400})") == [("", 1.0)]


def test_chunks_have_75_tokens() -> None:
    (short,) = chunks("a" * 75, tokens, COMMA)
    assert len(short.tokens) == len(short.weights) == 75
    assert [len(chunk.tokens) for chunk in chunks("a" * 160, tokens, COMMA)] == [75, 75, 10]
    assert [len(chunk.tokens) for chunk in chunks("", tokens, COMMA)] == [0]


@pytest.mark.parametrize(("before", "lengths"), [(60, [61, 44]), (56, [57, 48]), (55, [56, 49]), (54, [75, 30])])
def test_words_after_a_late_comma_move_to_the_next_chunk(before: int, lengths: list[int]) -> None:
    parts = chunks("a" * before + "," + "b" * (104 - before), tokens, COMMA)
    assert [len(part.tokens) for part in parts] == lengths


def test_comma_after_a_full_chunk_moves_nothing() -> None:
    parts = chunks("a" * 70 + "," + "b" * 4 + "," + "c" * 3, tokens, COMMA)
    assert [len(part.tokens) for part in parts] == [75, 4]


@pytest.mark.parametrize(
    ("prompt", "lengths"),
    [
        ("a" * 65 + "X", [75]),
        ("a" * 66 + "Xb", [66, 11]),
        ("a" * 70 + "XX" + "b" * 56, [70, 75, 1]),
        ("a" * 64 + ",bbX", [67, 10]),
        ("a" * 60 + "," + "b" * 14 + "X", [61, 24]),
        ("a" * 56 + "," + "b" * 8 + "X" + "c", [57, 19]),
        ("X" * 15, [70, 70, 10]),
    ],
)
def test_embedding_is_not_cut(prompt: str, lengths: list[int]) -> None:
    """It begins the next chunk if it does not fit, as in A1111."""
    parts = chunks(prompt, tokens, COMMA)
    assert [len(part.tokens) for part in parts] == lengths
    assert all(part.tokens.count(-1) % 10 == 0 for part in parts)


def test_vectors_of_an_embedding_share_its_weight() -> None:
    first, second = chunks("a" * 70 + "(X:1.5)", tokens, COMMA)
    assert (first.weights, second.weights) == ([1.0] * 70, [1.5] * 10)


def test_weights_move_with_their_words() -> None:
    parts = chunks("a" * 60 + ",(" + "b" * 30 + ":1.5)", tokens, COMMA)
    assert parts[1].weights == [1.5] * 30
    assert parts[0].weights == [1.0] * 61


def test_break_begins_a_chunk() -> None:
    assert [len(part.tokens) for part in chunks("aa BREAK bbb", tokens, COMMA)] == [2, 3]
    assert [len(part.tokens) for part in chunks("aa BREAK", tokens, COMMA)] == [2]
    assert [len(part.tokens) for part in chunks("(aa BREAK bbb:1.2)", tokens, COMMA)] == [2, 3]
