from pathlib import Path

import pytest

from models import catalog
from models.catalog.catalog import BrokenModelError
from models.files import checkpoint_keys
from tests.support import model_files as files
from tests.support.model_files import with_prefix, write_model
from tests.support.models_yaml import write_entries


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole checkpoint of each family, UNets alone, and separate VAEs."""
    for family, shapes in (("sd1", files.SD1), ("sdxl", files.SDXL)):
        write_model(tmp_path / f"whole-{family}.safetensors", shapes)
        write_model(tmp_path / "unet" / f"{family}.safetensors", files.UNETS[family])
    write_model(tmp_path / "VAE" / "kl-f8.safetensors", files.VAE)
    return tmp_path.resolve()


def test_file_that_lacks_parts_says_which_and_what_to_write(folder: Path) -> None:
    models = catalog.read(folder)
    assert {entry.name for entry in models} == {"whole-sd1", "whole-sdxl", "kl-f8"}
    message = r"sd1\.safetensors has no text encoder; write `text_encoder:` into its entry .* family sd1"
    with pytest.raises(BrokenModelError, match=message):
        models.find("sd1")
    write_entries(folder, "{name: sd1, text_encoder: whole-sd1}")
    with pytest.raises(BrokenModelError, match="has no VAE; write `vae:`"):
        catalog.read(folder).find("sd1")


@pytest.mark.parametrize("vae", ["kl-f8", "KL-F8.safetensors", "VAE/kl-f8.safetensors", "whole-sdxl"])
def test_parts_are_named_by_model_or_path(folder: Path, vae: str) -> None:
    write_entries(folder, f"{{name: sdxl, text_encoder: whole-sdxl, vae: {vae}}}")
    entry = catalog.read(folder).find("sdxl")
    whole = folder / "whole-sdxl.safetensors"
    assert (entry.text_encoder, entry.text_encoder_2) == (whole, whole)
    assert entry.vae == folder / ("whole-sdxl.safetensors" if vae == "whole-sdxl" else "VAE/kl-f8.safetensors")


def test_default_parts_are_for_files_of_their_family_that_lack_them(folder: Path) -> None:
    write_entries(folder, "{name: whole-sd1, default_parts: true}", "{name: sdxl, vae: kl-f8}")
    models = catalog.read(folder)
    entry, whole = models.find("sd1"), models.find("whole-sd1")
    assert (entry.text_encoder, entry.vae) == (whole.path, whole.path)
    assert (whole.text_encoder, whole.vae) == (None, None)
    with pytest.raises(BrokenModelError, match="text_encoder"):
        models.find("sdxl")


def test_change_of_a_part_is_a_change_of_the_model(folder: Path) -> None:
    write_entries(folder, "{name: sdxl, text_encoder: whole-sdxl, vae: kl-f8}")
    before, same = (catalog.read(folder).find("sdxl") for _ in range(2))
    assert before.stamp == same.stamp
    write_model(folder / "VAE" / "kl-f8.safetensors", files.VAE | {"loss.logvar": ()})
    assert catalog.read(folder).find("sdxl").stamp != before.stamp


def test_unknown_part_is_refused_by_name(folder: Path) -> None:
    write_entries(folder, "{name: whole-sd1, vae: none-such}")
    with pytest.raises(BrokenModelError, match="has `vae: none-such`, but there is no file, folder or model"):
        catalog.read(folder).find("whole-sd1")


@pytest.mark.parametrize("vae", ["whole-sdxl", "xl", "VAE/xl.safetensors"])
def test_vae_of_another_family_is_refused(folder: Path, vae: str) -> None:
    """Its shapes fit, but the images would be noise."""
    write_model(
        folder / "VAE" / "xl.safetensors", files.VAE, {"modelspec.architecture": "stable-diffusion-xl-v1-base/vae"}
    )
    write_entries(folder, f"{{name: whole-sd1, vae: {vae}}}", "{name: whole-sdxl, vae: kl-f8}")
    models = catalog.read(folder)
    with pytest.raises(BrokenModelError, match=r"is of family sd1, but its VAE, .*xl, is for sdxl; name another"):
        models.find("whole-sd1")
    assert models.find("whole-sdxl").vae == folder / "VAE" / "kl-f8.safetensors"
    write_entries(folder, f"{{name: whole-sd1, vae: {vae}}}", "{name: xl, for: sd1}")
    assert any(entry.name == "whole-sd1" for entry in catalog.read(folder)) == (vae != "whole-sdxl")


def test_vae_beside_a_checkpoint_of_its_name_is_used(folder: Path) -> None:
    beside = write_model(folder / "whole-sd1.vae.safetensors", files.VAE)
    assert catalog.read(folder).find("whole-sd1").vae == beside


def test_text_encoder_alone_is_no_problem_and_no_model(tmp_path: Path) -> None:
    write_model(tmp_path / "clip_l.safetensors", {"text_model.encoder.layers.0.mlp.fc1.weight": (8, 8)})
    models = catalog.read(tmp_path)
    assert (models.entries, models.problems) == ((), ())


@pytest.mark.parametrize(("prefix", "index"), [("cond_stage_model.", 0), ("conditioner.embedders.1.", 1)])
def test_text_encoders_of_a_checkpoint_are_known_by_their_prefix(prefix: str, index: int) -> None:
    names = with_prefix(prefix, {"x": ()})
    assert checkpoint_keys.text_encoder_prefix(names, index) == prefix
    assert checkpoint_keys.text_encoder_prefix(names, 1 - index) is None
