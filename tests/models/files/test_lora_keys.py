"""The family of a LoRA, from its header."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.files.lora_keys import lora_fields
from models.loading.tensors import open_header
from tests.support.model_files import write_model

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


@pytest.mark.parametrize(
    "key", ["lora_te2.encoder.layers.0.mlp.fc1.lora_down.weight", "clip_g.encoder.layers.0.mlp.fc1.lora_A.weight"]
)
def test_a_second_text_encoder_tells_sdxl(key: str, tmp_path: Path) -> None:
    save_file({key: torch.zeros(4, 8)}, tmp_path / "x.safetensors")
    assert lora_fields(open_header(tmp_path / "x.safetensors")) == {"base": "sdxl"}


def fields_of(folder: Path, shapes: dict[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> object:
    return lora_fields(open_header(write_model(folder / "x.safetensors", shapes, metadata)))


TO_K = f"lora_unet_{UNDERSCORES}_to_k"
QUERY = "text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight"


@pytest.mark.parametrize(
    ("shapes", "base"),
    [
        ({"lokr_w1": (8, 16), "lokr_w2_a": (4, 2), "lokr_w2_b": (2, 48)}, "sd1"),
        ({"lokr_w1_a": (8, 2), "lokr_w1_b": (2, 8), "lokr_w2": (40, 128)}, "sd2"),
        ({"a1.weight": (4, 2048), "a2.weight": (2048, 4), "b1.weight": (4, 64), "b2.weight": (64, 4)}, "sdxl"),
        ({"oft_blocks": (4, 8, 8)}, None),
    ],
)
def test_factors_of_every_algorithm_tell_the_width(
    shapes: dict[str, tuple[int, ...]], base: str | None, tmp_path: Path
) -> None:
    fields = fields_of(tmp_path, {f"{TO_K}.{role}": shape for role, shape in shapes.items()})
    assert fields == ({"base": base} if base else {})


def test_text_encoder_of_sdxl_is_not_mistaken_for_that_of_sd1(tmp_path: Path) -> None:
    assert fields_of(tmp_path, {f"lora_te_{QUERY}": (4, 768)}) == {"base": "sd1"}
    assert fields_of(tmp_path, {f"text_encoder.{QUERY}": (4, 768), f"text_encoder_2.{QUERY}": (4, 1280)}) == {
        "base": "sdxl"
    }


def test_text_encoder_of_sd1_may_have_a_number(tmp_path: Path) -> None:
    shapes = {f"lora_te1_{QUERY}": (4, 768), f"{TO_K}.lora_down.weight": (4, 768)}
    assert fields_of(tmp_path, shapes) == {"base": "sd1"}


@pytest.mark.parametrize(
    "key", ["lora_unet_blocks_0_attn1.lora_down.weight", "lora_unet_conv_in.vera_d", "x.lora_A.weight"]
)
def test_file_of_which_nothing_applies_is_no_lora(key: str, tmp_path: Path) -> None:
    assert fields_of(tmp_path, {key: (4, 768)}) is None
