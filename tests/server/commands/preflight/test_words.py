from pathlib import Path

import pytest

from server.commands.preflight.words import check_words
from server.settings import Settings


@pytest.mark.parametrize(
    ("name", "content", "result", "says"),
    [
        ("gore.txt", b"gore", "ok", "gore"),
        ("a b.txt", b"gore", "fail", "no name of a word list"),
        ("gore.txt", b"\xff", "fail", "not UTF-8"),
        ("gore.csv", b"gore", "warn", "no .txt file"),
    ],
)
def test_lists_are_read(tmp_path: Path, name: str, content: bytes, result: str, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    (finding,) = check_words(Settings(words=tmp_path))
    assert (finding.result, says in finding.message) == (result, True)


def test_nothing_is_said_if_nobody_asks() -> None:
    assert list(check_words(Settings())) == []
    (finding,) = check_words(Settings(text_audit="report"))
    assert finding.message == "sexual, violence"
