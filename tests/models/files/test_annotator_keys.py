from __future__ import annotations

from pathlib import Path

import pytest

from models.files.annotator_keys import annotator_fields
from models.files.safetensors_header import read_header


@pytest.mark.parametrize("hint", ["softedge", "lineart", "mlsd", "pose"])
def test_header_tells_the_kind_of_map(hint: str, models_dir: Path) -> None:
    assert annotator_fields(read_header(models_dir / f"toy-{hint}.safetensors")) == {"hint": hint}


def test_other_nets_are_no_annotators(models_dir: Path) -> None:
    for file in models_dir.glob("*.safetensors"):
        if file.stem not in ("toy-softedge", "toy-lineart", "toy-mlsd", "toy-pose"):
            assert annotator_fields(read_header(file)) is None, file.name
