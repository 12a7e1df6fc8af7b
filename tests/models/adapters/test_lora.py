"""LoRA files of different layouts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.adapters.lora import Lora, LoraError, read
from models.catalog.catalog import Catalog
from models.kinds.kind import ModelRef
from models.kinds.lora import LORA
from models.registry import loaders

CPU = torch.device("cpu")


def test_read_kohya_layout(models_dir: Path) -> None:
    updates = read(models_dir / "toy-lora.safetensors")[0]
    assert updates.keys() == {"unet", "text_encoder"}
    query = updates["unet"]["down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"]
    assert {role: tuple(tensor.shape) for role, tensor in query.items()} == {
        "down": (4, 32),
        "up": (32, 4),
        "alpha": (),
    }
    assert "encoder_layers_0_self_attn_q_proj" in updates["text_encoder"]


def renamed(file: Path, folder: Path, change: Callable[[str], str], metadata: dict[str, str] | None = None) -> Path:
    save_file({change(key): tensor for key, tensor in load_file(file).items()}, folder / "x.safetensors", metadata)
    return folder / "x.safetensors"


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key.replace(".lora_A.weight", ".lora_A.default.weight"),
        lambda key: key.replace(".lora_A.", ".lora.down.").replace(".lora_B.", ".lora.up."),
        lambda key: (
            key.replace(".to_out.0.lora_", ".processor.to_out_lora.")
            .replace(".to_q.lora_", ".processor.to_q_lora.")
            .replace(".to_v.lora_", ".processor.to_v_lora.")
            .replace("A.", "down.")
            .replace("B.", "up.")
        ),
    ],
)
def test_read_every_layout_of_diffusers(change: Callable[[str], str], models_dir: Path, tmp_path: Path) -> None:
    plain = read(models_dir / "toy-lora-peft.safetensors")[0]["unet"]
    other = read(renamed(models_dir / "toy-lora-peft.safetensors", tmp_path, change))[0]["unet"]
    assert {name.removesuffix("_0") for name in plain} == {name.removesuffix("_0") for name in other}
    for name, factors in other.items():
        expected = plain.get(name) or plain[name + "_0"]
        assert factors.keys() == expected.keys()
        assert all(torch.equal(factors[role], expected[role]) for role in factors)


def test_read_alphas_from_the_metadata(models_dir: Path, tmp_path: Path) -> None:
    pattern = {"down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q": 7}
    config = {"unet.lora_alpha": 3, "unet.alpha_pattern": pattern}
    metadata = {"lora_adapter_metadata": json.dumps(config)}
    updates = read(renamed(models_dir / "toy-lora-peft.safetensors", tmp_path, str, metadata))[0]["unet"]
    alphas = {name: float(factors["alpha"]) for name, factors in updates.items()}
    assert alphas.pop("down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q") == 7
    assert set(alphas.values()) == {3}


def test_read_refuses_other_files(models_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(LoraError, match="none of which is supported in a LoRA"):
        read(models_dir / "toy-esrgan.safetensors")
    save_file({}, tmp_path / "empty.safetensors")
    with pytest.raises(LoraError, match="is empty"):
        read(tmp_path / "empty.safetensors")


def test_keys_that_are_not_understood_are_skipped_and_logged(
    models_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tensors = load_file(models_dir / "toy-lora.safetensors")
    odd = {"bundle_emb.x.string_to_param": torch.ones(2), f"{QUERY}_new.alpha": torch.ones(())}
    save_file(tensors | odd, tmp_path / "x.safetensors")
    (updates, skipped), (plain, _) = read(tmp_path / "x.safetensors"), read(models_dir / "toy-lora.safetensors")
    assert {part: set(modules) for part, modules in updates.items()} == {part: set(plain[part]) for part in plain}
    assert skipped == tuple(odd)
    assert f"keys that are not understood are skipped: bundle_emb.x.string_to_param, {QUERY}_new.alpha" in caplog.text


QUERY = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"lora_down.weight": torch.zeros(8, 32)},
            r"do not fit each other \(alpha \[\], down \[8, 32\], up \[32, 4\]\)",
        ),
        ({"lora_up.weight": torch.zeros(())}, r"do not fit each other .*up \[\]"),
        ({"alpha": torch.zeros(2)}, r"do not fit each other \(alpha \[2\]"),
        ({"lora_up.weight": torch.full((32, 4), torch.nan)}, "has NaN or infinity as up"),
        ({"alpha": torch.tensor(1e300, dtype=torch.float64)}, "has NaN or infinity as alpha"),
        ({"lora_down.weight": None}, "its factors are alpha, up; only LoRA"),
    ],
)
def test_factors_that_do_not_fit_each_other_are_refused(
    changes: dict[str, torch.Tensor | None], message: str, models_dir: Path, tmp_path: Path
) -> None:
    tensors = load_file(models_dir / "toy-lora.safetensors") | {
        f"{QUERY}.{role}": each for role, each in changes.items()
    }
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, tmp_path / "x.safetensors")
    with pytest.raises(LoraError, match=rf"x\.safetensors, down_blocks_0_.*_to_q of the unet: .*{message}"):
        read(tmp_path / "x.safetensors")


@pytest.mark.parametrize("config", ["not json", "[]", '{"unet.lora_alpha": "much"}', '{"unet.alpha_pattern": [1]}'])
def test_metadata_that_are_no_config_are_refused(config: str, models_dir: Path, tmp_path: Path) -> None:
    metadata = {"lora_adapter_metadata": config}
    file = renamed(models_dir / "toy-lora.safetensors", tmp_path, lambda key: key, metadata)
    with pytest.raises(LoraError, match=r"x\.safetensors has metadata 'lora_adapter_metadata' that are not the JSON"):
        read(file)


def test_lora_is_moved_and_weighed_like_other_models(toys: Catalog) -> None:
    lora = loaders.load(toys.find(ModelRef(LORA, "toy-lora")), CPU, torch.float32)
    assert isinstance(lora, Lora)
    assert 0 < lora.bytes <= toys.find("toy-lora").bytes
    lora.to(torch.device("meta"))
    tensors = [tensor for factors in lora.updates["unet"].values() for tensor in factors.values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert lora.device.type == "meta"
