"""Full key sets of every trainer: each key reaches the module for which it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
from torch import nn

from models.adapters.lora_keys import modules_by_name, original_paths
from models.files.lora_layout import read_layout
from models.toy import nets
from models.toy.nets import TOYS

Name = Callable[[str], str]
"""The path of a module as a prefix of keys."""
ATTENTION = "to_q", "to_k", "to_v", "to_out.0", "q_proj", "k_proj", "v_proj", "out_proj"


@dataclass(frozen=True)
class Spelling:
    unet: Name
    text: Name | None = None
    """Of the first text encoder; None: the trainer does not train it."""
    text_2: Name | None = None
    factors: tuple[str, str] = (".lora_down.weight", ".lora_up.weight")
    text_factors: tuple[str, str] | None = None
    original: bool = False
    """Whether modules of the UNet have the names of latent diffusion."""
    attention_only: bool = False


def flat(prefix: str) -> Name:
    return lambda path: f"{prefix}_{path.replace('.', '_')}"


def dotted(prefix: str) -> Name:
    return lambda path: f"{prefix}.{path}"


def of_processors(prefix: str) -> Name:
    """The first layout of diffusers."""
    return lambda path: prefix + path.replace(".to_out.0", ".to_out").replace(".to_", ".processor.to_")


def of_old_attention(path: str) -> str:
    for name in "qkv":
        path = path.replace(f".{name}_proj", f".to_{name}")
    return f"text_encoder.{path.replace('.out_proj', '.to_out')}"


AB, OLD = (".lora_A.weight", ".lora_B.weight"), ("_lora.down.weight", "_lora.up.weight")
SPELLINGS: Mapping[str, Spelling] = {
    "kohya, SD 1": Spelling(flat("lora_unet"), flat("lora_te")),
    "kohya, SDXL": Spelling(flat("lora_unet"), flat("lora_te1"), flat("lora_te2"), original=True),
    "LyCORIS": Spelling(flat("lycoris"), factors=(".hada_w1_a", ".hada_w1_b")),
    "diffusers 0.14": Spelling(of_processors(""), factors=OLD, attention_only=True),
    "diffusers 0.17": Spelling(of_processors("unet."), of_old_attention, factors=OLD, attention_only=True),
    "diffusers 0.20": Spelling(
        dotted("unet"),
        dotted("text_encoder"),
        dotted("text_encoder_2"),
        factors=(".lora.down.weight", ".lora.up.weight"),
        text_factors=(".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"),
    ),
    "diffusers": Spelling(dotted("unet"), dotted("text_encoder"), dotted("text_encoder_2"), factors=AB),
    "peft": Spelling(dotted("base_model.model"), dotted("base_model.model"), factors=AB),
    "peft with an adapter's name": Spelling(
        dotted("base_model.model"), factors=(".lora_A.default.weight", ".lora_B.default.weight")
    ),
    "OneTrainer": Spelling(dotted("lora_unet"), dotted("lora_te1"), dotted("lora_te2")),
    "OneTrainer, OMI": Spelling(dotted("unet"), dotted("clip_l"), dotted("clip_g"), original=True),
    "AI-toolkit": Spelling(dotted("diffusion_model"), factors=AB, original=True),
    "ComfyUI": Spelling(
        dotted("diffusion_model"),
        dotted("text_encoders.clip_l.transformer"),
        dotted("text_encoders.clip_g.transformer"),
        original=True,
    ),
    "whole checkpoint": Spelling(dotted("model.diffusion_model"), original=True),
}


@pytest.fixture(scope="module")
def parts() -> dict[str, nn.Module]:
    """The nets of a small SDXL, whose names are those of all families."""
    toy = next(toy for toy in TOYS if toy.name == "toy-sdxl")
    encoders = [nets.text_encoder(toy, 64, 600, projection=projection) for projection in (False, True)]
    return {"unet": nets.unet(toy), "text_encoder": encoders[0], "text_encoder_2": encoders[1]}


def layers(spelling: Spelling, parts: Mapping[str, nn.Module]) -> Iterator[tuple[str, str, nn.Module]]:
    """The part, the prefix of keys, and the module of each layer that a trainer trains."""
    names = {"unet": spelling.unet, "text_encoder": spelling.text, "text_encoder_2": spelling.text_2}
    for part, name in names.items():
        if name is None:
            continue
        original = original_paths(parts[part]) if part == "unet" and spelling.original else {}
        for path, module in parts[part].named_modules():
            trained = isinstance(module, nn.Linear | nn.Conv2d)
            if trained and (path.endswith(ATTENTION) or not spelling.attention_only):
                yield part, name(original.get(path, _with_text_model(path, part))), module


def _with_text_model(path: str, part: str) -> str:
    """Versions of transformers differ in it; files have it."""
    bare = path == "text_projection" or path.startswith("text_model.") or part == "unet"
    return path if bare else f"text_model.{path}"


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_key_reaches_its_module(name: str, parts: dict[str, nn.Module]) -> None:
    spelling = SPELLINGS[name]
    expected = {}
    for part, prefix, module in layers(spelling, parts):
        factors = spelling.factors if part == "unet" else spelling.text_factors or spelling.factors
        expected |= {prefix + factor: module for factor in factors} | {f"{prefix}.alpha": module}
    if spelling.factors == OLD:
        expected = {key: module for key, module in expected.items() if not key.endswith(".alpha")}
    layout = read_layout(expected)
    assert layout.skipped == ()
    known = {part: modules_by_name(net) for part, net in parts.items()}
    found = {
        key: known[part][module]
        for part, modules in layout.keys.items()
        for module, roles in modules.items()
        for key in roles.values()
    }
    assert found.keys() == expected.keys()
    assert [key for key, module in expected.items() if found[key] is not module] == []
