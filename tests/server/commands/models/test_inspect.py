import json
from pathlib import Path

import pytest

from models.catalog import checksums
from models.catalog.file_hashes import FileHashes
from models.files.weights_error import WeightsError
from server.commands.models.inspect import describe, lines_of
from tests.support import model_files as files
from tests.support.ncnn_files import rrdb_weights, write_rrdb

METADATA = {"modelspec.license": "CC0", "ss_tag_frequency": json.dumps({"1_a": {"ink": 3}})}


def test_lora_is_described_by_its_header(tmp_path: Path) -> None:
    file = files.write_model(tmp_path / "ink.safetensors", files.LORA_SD1, METADATA)
    description = describe(file, hashes=FileHashes())
    assert description["kind"] == "LoRA"
    assert (description["family"], description["base"]) == ("lora", "sd1")
    assert description["tensors"] == len(files.LORA_SD1)
    assert description["trigger_words"] == ("ink",)
    assert description["metadata modelspec.license"] == "CC0"
    assert description["sha256"] == checksums.digest(file)
    assert "trigger_words: ink" in list(lines_of(description))


def test_file_that_is_not_supported_is_described_with_the_reason(tmp_path: Path) -> None:
    file = files.write_model(tmp_path / "x.safetensors", {"double_blocks.0.x": (1,)})
    description = describe(file)
    assert "Flux family, which is not supported" in description["problem"]
    assert description["tensors"] == 1


def test_metadata_cannot_steer_a_terminal() -> None:
    assert list(lines_of({"metadata title": "a\x1b[2Jb\nc"})) == ["metadata title: a [2Jb c"]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.safetensors cannot be read"):
        describe(tmp_path / "none.safetensors")


@pytest.mark.parametrize("suffix", [".param", ".bin"])
def test_either_half_of_an_ncnn_pair_is_described(tmp_path: Path, suffix: str) -> None:
    weights = write_rrdb(tmp_path / "x4.param", rrdb_weights()).with_suffix(".bin")
    description = describe(tmp_path / f"x4{suffix}", hashes=FileHashes())
    assert (description["kind"], description["architecture"], description["scale"]) == ("upscaler", "RRDB, 1 block", 4)
    assert description["dtypes"] == ("F16 (21)", "F32 (21)")
    assert (description["bytes"], description["sha256"]) == (weights.stat().st_size, checksums.digest(weights))
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "x4.bin has" in describe(tmp_path / f"x4{suffix}")["problem"]


def test_keys_of_a_lora_that_are_not_understood_are_listed(tmp_path: Path) -> None:
    file = files.write_model(tmp_path / "x.safetensors", {**files.LORA_SD1, "bundle_emb.x": (1,), "a.y": (2,)})
    lines = list(lines_of(describe(file)))
    assert "keys not understood: 2 of 4" in lines
    assert "key 2: bundle_emb.x" in lines
    whole = files.write_model(tmp_path / "y.safetensors", files.LORA_SD1)
    assert "keys not understood" not in describe(whole)
    assert "keys not understood" not in describe(files.write_model(tmp_path / "z.safetensors", files.SD1))


def test_lora_of_which_nothing_applies_is_refused(tmp_path: Path) -> None:
    file = files.write_model(tmp_path / "x.safetensors", {"lora_unet_blocks_0_attn1.lora_down.weight": (4, 8)})
    assert (
        "is a LoRA for other nets than those of Stable Diffusion, which is not supported" in describe(file)["problem"]
    )


def test_guess_from_the_name_is_called_one(tmp_path: Path) -> None:
    file = files.write_model(tmp_path / "control_v11p_sd15_canny.safetensors", files.CONTROLNET)
    assert describe(file)["hint"] == "canny (guessed from its name, which an entry of models.yaml overrides)"
    told = files.write_model(tmp_path / "canny.safetensors", files.CONTROLNET, {"modelspec.title": "Depth"})
    assert describe(told)["hint"] == "depth"


def test_image_encoder_is_described(tmp_path: Path) -> None:
    description = describe(files.write_model(tmp_path / "x.safetensors", files.image_encoder(32, 24)))
    assert description["kind"] == "image encoder, which IP-Adapters need"
    assert (description["hidden"], description["projected"]) == (32, 24)


def test_inspect_says_which_parts_a_file_lacks_and_what_is_one(tmp_path: Path) -> None:
    alone = files.write_model(tmp_path / "unet.safetensors", files.UNETS["sd1"])
    assert describe(alone)["lacks"].startswith("text_encoder, vae (")
    assert "lacks" not in describe(files.write_model(tmp_path / "whole.safetensors", files.SD1))
    encoder = {"text_model.encoder.layers.0.mlp.fc1.weight": (8, 8)}
    assert describe(files.write_model(tmp_path / "clip_l.safetensors", encoder))["kind"].startswith("text encoder")
    assert describe(files.write_model(tmp_path / "vae.safetensors", files.VAE))["kind"] == "VAE"
