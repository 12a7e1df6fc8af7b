from pathlib import Path

import pytest
import torch

from models.catalog.catalog import Catalog
from models.language import captioner, prompt_enhancer
from models.language.text_model import TextModelError


def test_load_refuses_a_folder_of_another_family(toys: Catalog) -> None:
    with pytest.raises(TextModelError, match="toy-blip cannot be read as a model of family enhancer"):
        prompt_enhancer.load(
            toys.find("captioner").model_copy(update={"family": "enhancer"}), torch.device("cpu"), torch.float32
        )


def test_load_refuses_pickled_weights(toys: Catalog, tmp_path: Path) -> None:
    entry = toys.find("captioner")
    for file in entry.path.iterdir():
        name = "pytorch_model.bin" if file.suffix == ".safetensors" else file.name
        (tmp_path / name).write_bytes(file.read_bytes())
    with pytest.raises(TextModelError, match="give a folder as transformers saves it"):
        captioner.load(entry.model_copy(update={"path": tmp_path}), torch.device("cpu"), torch.float32)


def test_bytes_equal_the_size_of_the_file(toys: Catalog) -> None:
    entry = toys.find("enhancer")
    assert prompt_enhancer.load(entry, torch.device("cpu"), torch.float32).bytes == pytest.approx(entry.bytes, rel=0.05)
