"""The family of a LoRA, from its header."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.files.lora_keys import lora_fields
from models.loading.tensors import open_header

PATH = "down_blocks.0.attentions.0.transformer_blocks.0.attn2"
UNDERSCORES = PATH.replace(".", "_")


@pytest.mark.parametrize(("width", "base"), [(768, "sd1"), (1024, "sd2"), (2048, "sdxl"), (640, None)])
@pytest.mark.parametrize(
    "key",
    [
        f"lora_unet_{UNDERSCORES}_to_k.lora_down.weight",
        f"lora_unet.{PATH}.to_k.lora_down.weight",
        f"unet.{PATH}.to_k.lora_A.weight",
        f"unet.{PATH}.processor.to_k_lora.down.weight",
        "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.lora_A.weight",
        f"lycoris_{UNDERSCORES}_to_k.hada_w1_b",
        f"lora_unet_{UNDERSCORES}_to_k.diff",
    ],
)
def test_width_of_the_context_tells_the_family(key: str, width: int, base: str | None, tmp_path: Path) -> None:
    save_file({key: torch.zeros(4, width)}, tmp_path / "x.safetensors")
    assert lora_fields(open_header(tmp_path / "x.safetensors")) == ({} if base is None else {"base": base})


@pytest.mark.parametrize("key", ["lora_te2.encoder.fc1.lora_down.weight", "clip_g.encoder.fc1.lora_A.weight"])
def test_a_second_text_encoder_tells_sdxl(key: str, tmp_path: Path) -> None:
    save_file({key: torch.zeros(4, 8)}, tmp_path / "x.safetensors")
    assert lora_fields(open_header(tmp_path / "x.safetensors")) == {"base": "sdxl"}
