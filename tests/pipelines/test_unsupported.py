from pathlib import Path

import pytest

import pipelines
from pipelines.unsupported import REFUSED, RefusedTaskTypeError

PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", REFUSED)
def test_each_is_refused_and_listed_in_the_docs(name: str) -> None:
    with pytest.raises(RefusedTaskTypeError, match="is not offered: "):
        pipelines.find(name)
    assert f"| `{name}` | {REFUSED[name]} |" in PAGE


def test_what_is_offered_is_not_refused() -> None:
    assert not set(REFUSED) & set(pipelines.all_names())
