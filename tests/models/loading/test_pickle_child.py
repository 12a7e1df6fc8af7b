from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from models.loading.pickle_child import link_new, tensors_of

WEIGHT = torch.ones(2)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"a": WEIGHT, "epoch": 3}, ["a"]),
        ({"state_dict": OrderedDict(a=WEIGHT), "optimizer": {"b": WEIGHT}}, ["a"]),
        ({"params": {"a": WEIGHT}, "params_ema": {"b": WEIGHT}}, ["b"]),
        ({"model": {"state_dict": {"a": WEIGHT}}}, ["a"]),
        ({"string_to_token": {"*": 265}, "string_to_param": {"*": WEIGHT}}, ["emb_params"]),
        ([WEIGHT], []),
        ({"epoch": 3}, []),
    ],
)
def test_tensors_are_found_in_the_wrappers_of_trainers(content: object, names: list[str]) -> None:
    assert list(tensors_of(content)) == names


def test_name_of_another_file_is_never_taken(tmp_path: Path) -> None:
    draft, target = tmp_path / "draft", tmp_path / "target"
    draft.write_text("new")
    target.write_text("old")
    with pytest.raises(FileExistsError):
        link_new(draft, target)
    assert target.read_text() == "old"
