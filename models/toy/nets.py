"""The networks of the toys: real block types, few channels, initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection


@dataclass(frozen=True, slots=True)
class Toy:
    """The properties in which toys differ."""

    name: str
    family: Literal["sd1", "sd2", "sdxl"]
    seed: int
    prediction: Literal["epsilon", "v_prediction"] = "epsilon"
    pads: Sequence[str] = ("<|endoftext|>",)
    """The padding token of each tokenizer; OpenCLIP, the text encoder of SD 2 and the second one of SDXL, has "!"."""
    widths: Sequence[int] = (64,)
    """Width of each text encoder. Those of SDXL must differ: single-file loaders tell them apart by it."""
    inputs: int = 4
    """Input channels of the UNet: nine for inpainting, with the mask and the masked latents."""
    trained: bool = False
    """Whether it is trained on the toy world. Its nets are wider then, and its text encoder has fewer layers."""


TOYS = (
    Toy("toy-sd1", "sd1", seed=1, prediction="v_prediction", widths=(128,), trained=True),
    Toy("toy-sd2", "sd2", seed=2, prediction="v_prediction", pads=("!",)),
    Toy("toy-sdxl", "sdxl", seed=3, pads=("<|endoftext|>", "!"), widths=(32, 64)),
    Toy("toy-sd1-inpainting", "sd1", seed=4, prediction="v_prediction", widths=(128,), inputs=9, trained=True),
)


def unet(toy: Toy) -> UNet2DConditionModel:
    side = 16 if toy.trained else 64
    common: dict[str, Any] = {"sample_size": side, "layers_per_block": 1, "norm_num_groups": 16}
    common["cross_attention_dim"] = sum(toy.widths)
    common["in_channels"] = toy.inputs
    if toy.family == "sdxl":
        return UNet2DConditionModel(
            **common,
            block_out_channels=(32, 64, 64),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=(1, 2, 2),
            transformer_layers_per_block=(1, 1, 2),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=toy.widths[1] + 6 * 8,
        )
    return UNet2DConditionModel(
        **common,
        block_out_channels=(32, 64, 96, 128) if toy.trained else (32, 32, 64, 64),
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        attention_head_dim=4 if toy.trained else 2 if toy.family == "sd1" else (1, 1, 2, 2),
        use_linear_projection=toy.family == "sd2",
    )


def vae(toy: Toy) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 16, 32, 64) if toy.trained else (16, 16, 32, 32),
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=512,
        scaling_factor=0.13025 if toy.family == "sdxl" else 0.18215,
        force_upcast=toy.family == "sdxl",
    )


def tiny_autoencoder() -> AutoencoderTiny:
    """For the latents of toy-sd1. Its decoder has the layers of the real one; its encoder is never used."""
    return AutoencoderTiny(
        encoder_block_out_channels=(4,) * 4,
        num_encoder_blocks=(1,) * 4,
        decoder_block_out_channels=(16,) * 4,
        num_decoder_blocks=(3, 3, 3, 1),
    )


def text_encoder(
    toy: Toy, width: int, vocabulary: int, *, projection: bool
) -> CLIPTextModel | CLIPTextModelWithProjection:
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=width,
        num_hidden_layers=4 if toy.trained else 12,
        num_attention_heads=4 if toy.trained else 2,
        hidden_act="gelu" if toy.family == "sd2" or projection else "quick_gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
    )
    encoder = (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)
    inner = encoder.text_model if projection else encoder
    with torch.no_grad():  # CLIP's own initial embeddings are 0.02 wide and would leave all prompts alike
        inner.embeddings.token_embedding.weight.normal_()
        inner.embeddings.position_embedding.weight.normal_(std=0.1)
        inner.final_layer_norm.bias.normal_(mean=-0.1, std=0.3)
    return encoder.eval()
