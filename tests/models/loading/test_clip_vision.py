from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from models.files.weights_error import WeightsError
from models.loading.clip_vision import ACTIVATIONS, read_clip_vision


@pytest.fixture(params=ACTIVATIONS.items(), ids=lambda item: str(item[0]))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An encoder of a published width, and otherwise as small as can be, as transformers saves it."""
    width, activation = request.param
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=8,
        projection_dim=24,
        num_hidden_layers=1,
        num_attention_heads=16,
        image_size=16,
        patch_size=8,
        hidden_act=activation,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


def test_single_file_equals_the_folder(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    both = tmp_path / "both.safetensors"
    save_file({**tensors, "text_model.final_layer_norm.weight": torch.ones(4)}, both)
    pixels = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        outputs = [read_clip_vision(path, torch.float32)(pixels).image_embeds for path in (folder, both)]
    torch.testing.assert_close(*outputs)


def test_unknown_encoder_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_file({"vision_model.embeddings.class_embedding": torch.ones(32)}, file)
    with pytest.raises(WeightsError, match=r"x\.safetensors is none of the published CLIP vision encoders"):
        read_clip_vision(file, torch.float32)
