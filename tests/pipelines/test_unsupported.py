from pathlib import Path

import pytest

import pipelines
from pipelines.unsupported import UNSUPPORTED, UnsupportedTaskTypeError

PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported_type_is_refused_and_documented(name: str) -> None:
    with pytest.raises(UnsupportedTaskTypeError, match="is not supported: "):
        pipelines.find(name)
    assert f"| `{name}` | {UNSUPPORTED[name]} |" in PAGE


def test_supported_names_are_not_refused() -> None:
    assert not set(UNSUPPORTED) & set(pipelines.all_names())
