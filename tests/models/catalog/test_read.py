from pathlib import Path

import pytest

from models import catalog
from models.catalog.catalog import BrokenModelError, UnknownModelError
from models.catalog.file_hashes import FileHashes, compute
from models.catalog.names import slug, title_of
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from tests.support import model_files as files
from tests.support.model_files import write_model
from tests.support.models_yaml import write_entries
from tests.support.ncnn_files import compact_weights, write_compact


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "Stable-diffusion" / "国风 V3.2.safetensors", files.SD1)
    write_model(tmp_path / "checkpoints" / "DreamXL.safetensors", files.SDXL)
    write_model(tmp_path / "Lora" / "墨.safetensors", files.LORA_SD1)
    return tmp_path


def test_files_are_models_without_a_list(folder: Path) -> None:
    models = catalog.read(folder)
    assert models.problems == ()
    assert {entry.name: (entry.family, entry.base) for entry in models} == {
        "国风 V3.2": ("sd1", None),
        "DreamXL": ("sdxl", None),
        "墨": ("lora", "sd1"),
    }


@pytest.mark.parametrize(
    "name", ["国风 V3.2", "国风 v3.2", "国风-v3.2", "国风 V3.2.safetensors", "国风 V3.2.safetensors [0123456789]"]
)
def test_name_is_found_in_every_spelling(folder: Path, name: str) -> None:
    assert catalog.read(folder).find(name).name == "国风 V3.2"


def test_list_changes_found_models_and_adds_names(folder: Path) -> None:
    write_entries(
        folder,
        "{name: dreamxl, aliases: [v1.5, xl], default: true, title: Dream}",
        "{name: ink, path: Lora/墨.safetensors, for: sd2}",
        "{name: 国风 V3.2, hidden: true}",
    )
    models = catalog.read(folder)
    assert models.problems == ()
    assert [(entry.name, entry.family, entry.base) for entry in models] == [
        ("dreamxl", "sdxl", None),
        ("ink", "lora", "sd2"),
    ]
    assert models.find("v1.5") is models.find("") is models.find("XL")


def test_wrong_entry_leaves_the_others_usable(folder: Path) -> None:
    write_entries(folder, "{name: gone, path: gone.safetensors, family: sd1}", "{name: dreamxl, aliases: [xl]}")
    models = catalog.read(folder)
    assert models.find("xl").family == "sdxl"
    assert "gone.safetensors does not exist" in models.problems[0].message
    with pytest.raises(BrokenModelError, match=r"model 'gone' cannot be used: .*gone\.safetensors does not exist"):
        models.find("gone")
    assert models.find("").name == "dreamxl"


def test_broken_default_is_not_replaced_by_another(folder: Path) -> None:
    """Another model would paint other pictures without a word."""
    write_entries(folder, "{name: gone, path: gone.safetensors, family: sd1, default: true}")
    models = catalog.read(folder)
    with pytest.raises(BrokenModelError, match=r"the default model cannot be used: .*gone\.safetensors does not exist"):
        models.find("")
    assert not any(map(models.is_default, models))
    assert models.find("dreamxl").family == "sdxl"


def test_file_that_is_no_model_is_refused_by_its_name(folder: Path) -> None:
    (folder / "checkpoints" / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(BrokenModelError, match=r"torn\.safetensors"):
        catalog.read(folder).find("Torn")


def test_same_stem_in_two_folders_stays_reachable(folder: Path) -> None:
    write_model(folder / "xl" / "dreamxl.safetensors", files.SDXL)
    models = catalog.read(folder)
    assert models.find("DreamXL").path.parent.name == "checkpoints"
    assert models.find("dreamxl (xl)").path.parent.name == "xl"
    assert models.problems[0].message.startswith("two models are called 'dreamxl'")


def test_any_number_of_files_may_have_one_name(folder: Path) -> None:
    for name in ("A/x", "A/X", "B/A/x", "C/A/x"):
        write_model(folder / f"{name}.safetensors", files.SD1)
    names = [entry.name for entry in catalog.read(folder) if entry.name.lower().startswith("x")]
    assert names == ["X", "x (A)", "x (A 2)", "x (A 3)"]
    long = "国" * 80
    for parent in ("D", "E" * 60):
        write_model(folder / parent / f"{long}.safetensors", files.SD1)
    assert catalog.read(folder).find(f"{long[:65]} ({'E' * 60})")


def test_models_of_one_name_are_reachable_by_hash(folder: Path) -> None:
    other = write_model(folder / "xl" / "DreamXL.safetensors", {**files.SDXL, "other": (1,)})
    hashes = FileHashes()
    models = catalog.read(folder, hashes=hashes)
    found = compute(other)
    assert found is not None
    title = f"DreamXL.safetensors [{found.sha256[:10]}]"
    assert models.find(title).path != other  # the hash is not known yet
    with pytest.raises(UnknownModelError, match=f"no model '{found.sha256[:10]}'; there are"):
        models.find(found.sha256[:10])
    hashes.learn([entry.path for entry in models], [], lambda: False)
    for name in (found.sha256[:10], found.sha256.upper(), found.tensors[:12], title, f"gone [{found.sha256[:10]}]"):
        assert models.find(name).path == other
    assert models.find(ModelRef(CHECKPOINT, found.sha256[:10])).path == other
    assert title_of(models.find(title), found.sha256) == title
    with pytest.raises(UnknownModelError):
        models.find(found.sha256[:9])


def test_hash_of_an_entry_is_one_of_its_names(folder: Path) -> None:
    write_entries(folder, f"{{name: dreamxl, sha256: {'a' * 64}}}")
    assert catalog.read(folder).find("a" * 10).name == "dreamxl"


def test_several_folders_are_one_catalog(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = write_model(tmp_path_factory.mktemp("other") / "x4.safetensors", files.ESRGAN).parent
    write_entries(other, "{name: x4, aliases: [esr]}")
    models = catalog.read(folder, other)
    assert models.find("esr").family == "upscaler"
    assert len(models.entries) == 4


def test_slug_has_letters_and_digits_of_any_script() -> None:
    assert slug("国风 V3.2_(final)!.safetensors") == "国风-v3.2-final"


def test_default_is_no_checkpoint_for_masks_alone(folder: Path) -> None:
    write_model(folder / "Stable-diffusion" / "0-inpainting.safetensors", files.with_channels(files.SD1, 9))
    models = catalog.read(folder)
    assert [entry.name for entry in models if entry.family == "sd1"] == ["0-inpainting", "国风 V3.2"]
    assert models.default.name == "国风 V3.2"


def test_broken_model_of_a_default_name_is_not_replaced(folder: Path) -> None:
    write_model(folder / "v1.5.safetensors", files.SD1).write_bytes(b"torn")
    with pytest.raises(UnknownModelError, match=r"'v1\.5' cannot be used: v1\.5\.safetensors has only 4 bytes"):
        catalog.read(folder).find(ModelRef(CHECKPOINT, "v1.5"))


def test_found_model_that_lacks_a_field_says_so(folder: Path) -> None:
    write_model(folder / "ip.safetensors", files.IP_ADAPTER)
    write_model(folder / "clip_vision" / "other.safetensors", files.image_encoder(8, 16))
    [problem] = catalog.read(folder).problems
    assert problem.message.startswith("ip.safetensors needs an entry in models.yaml: an IP-Adapter needs a CLIP vision")


@pytest.mark.parametrize("as_folder", [False, True])
def test_ip_adapter_gets_the_encoder_that_fits(folder: Path, as_folder: bool) -> None:
    file = write_model(folder / "ip.safetensors", files.IP_ADAPTER)
    write_model(folder / "0" / "other.safetensors", files.image_encoder(8, 16))
    expected = write_model(folder / "clip_vision" / "model.safetensors", files.image_encoder(16, 8))
    if as_folder:
        expected = expected.parent
        (expected / "config.json").write_text('{"architectures": ["CLIPVisionModelWithProjection"]}')
    models = catalog.read(folder)
    assert models.problems == ()
    entry = models.find("ip")
    assert (entry.encoder, entry.base) == (expected, "sd1")
    assert entry.bytes > file.stat().st_size
    write_entries(folder, "{name: ip, encoder: 0/other.safetensors}")
    assert catalog.read(folder).find("ip").encoder == folder / "0" / "other.safetensors"


def test_name_suggests_the_maps_of_a_controlnet(folder: Path) -> None:
    write_model(folder / "control_v11p_sd15_canny_fp16.safetensors", files.CONTROLNET)
    write_model(folder / "controlnet-openpose" / "diffusion_pytorch_model.fp16.safetensors", files.CONTROLNET)
    write_model(folder / "lines.safetensors", files.CONTROLNET, {"modelspec.title": "Lineart ControlNet"})
    write_model(folder / "depth-net.safetensors", files.CONTROLNET)
    write_entries(folder, "{name: depth-net, hint: normal}")
    hints = {entry.path.stem: entry.hint for entry in catalog.read(folder) if entry.family == "controlnet"}
    assert hints == {
        "control_v11p_sd15_canny_fp16": "canny",
        "diffusion_pytorch_model.fp16": "pose",
        "lines": "lineart",
        "depth-net": "normal",
    }


def test_ncnn_pair_is_listed_by_its_text(folder: Path) -> None:
    write_compact(folder / "ESRGAN" / "x4.param", compact_weights())
    write_entries(
        folder,
        "{name: big, path: ESRGAN/x4.param, family: upscaler}",
        "{name: half, path: ESRGAN/x4.bin, family: upscaler}",
    )
    models = catalog.read(folder)
    assert (models.find("big").family, models.find("big.param").bytes) == ("upscaler", 4228)
    with pytest.raises(
        BrokenModelError, match=r"x4\.bin is half of an ncnn model, .* x4\.param; name that file instead"
    ):
        models.find("half")
