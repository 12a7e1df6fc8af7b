import pytest

from server.audit.folding import Folding
from server.audit.letters import Letters, Squeezed, without_weights

FOLDING = Folding({})


@pytest.mark.parametrize("text", ["a-b c", "ﬁx ①0", "p\u200bórn", "色*情!", "", "ß…¼ 🇵🇴"])
@pytest.mark.parametrize("symbols", [False, True])
def test_each_letter_has_its_place(text: str, symbols: bool) -> None:
    letters = Letters(text, FOLDING, symbols=symbols)
    assert len(letters.places) == len(letters.text)
    for letter, (start, end) in zip(letters.text, letters.places, strict=True):
        assert letter in text[start:end].translate(FOLDING)


def test_only_letters_and_digits_are_left() -> None:
    assert Letters("P.o-R n 8k", FOLDING).text == "porn8k"
    assert Letters("P.o-R n", FOLDING, symbols=True).text == "p.o-r n"


@pytest.mark.parametrize(("length", "text"), [(1, "porn bob a"), (2, "poorn boob aa")])
def test_runs_of_equal_letters_are_shortened(length: int, text: str) -> None:
    source = "pooo-orn booob aaa"
    squeezed = Squeezed(Letters(source, FOLDING), length)
    assert squeezed.text == text.replace(" ", "")
    start, end = squeezed.places[1][0], squeezed.places[length][1]
    assert source[start:end] == "ooo-o"
    assert squeezed.places[-1][1] == len(source)


def test_digits_of_years_are_no_run() -> None:
    assert Squeezed(Letters("1000", FOLDING), 1).text == "1000"


@pytest.mark.parametrize("text", ["(a:1.2)", "[b:-.5]", "<lora:x:0.8>", "(c: 1.3 )"])
def test_weights_are_blanked_in_place(text: str) -> None:
    assert len(without_weights(text)) == len(text)
    assert not any(map(str.isdigit, without_weights(text)))


def test_other_numbers_stay() -> None:
    assert without_weights("a:1.2, 16:9 (a:b)") == "a:1.2, 16:9 (a:b)"


@pytest.mark.parametrize("run", ["1", " ", "1.", ": ", ":1 "])
def test_long_runs_are_read_once(run: str) -> None:
    """A search that tries each digit of a run again takes minutes for this."""
    text = f"(a:{run * 100_000}a"
    assert len(without_weights(text)) == len(text)
