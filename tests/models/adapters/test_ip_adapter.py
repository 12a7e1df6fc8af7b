"""IP-Adapters against those of diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from models import catalog
from models.adapters import ip_adapter
from models.adapters.ip_adapter import IPAdapter, IPAdapterMisfitError
from models.catalog.catalog import Catalog, MisfitError, UnknownModelError
from models.catalog.entry import ModelEntry
from models.conditioning import Conditioning
from models.files.weights_error import WeightsError
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelRef
from models.loaded_model import LoadedModel
from models.patches.patch import PatchedRows
from tests.support.nets import hook_counts, unet_of

CPU = torch.device("cpu")

SCALES = (0.3, 0.9)


def image(seed: int = 0) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((70, 50), Image.Resampling.NEAREST))


def loaded(toys: Catalog, name: str) -> IPAdapter:
    return ip_adapter.load(toys.find(name), CPU, torch.float32)


def stock(toys: Catalog, checkpoint: str, adapter: str) -> Any:
    pipe = DiffusionPipeline.from_pretrained(toys.find(checkpoint).path, local_files_only=True)
    folder = toys.find(adapter).path.parent
    pipe.load_ip_adapter(
        str(folder), subfolder="", weight_name=f"{adapter}.safetensors", image_encoder_folder="./toy-clip-vision"
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize(
    ("checkpoint", "name"), [("toy-sd1", "toy-ip"), ("toy-sd1", "toy-ip-plus"), ("toy-sdxl", "toy-ip-xl")]
)
def test_rows_of_different_scales_equal_diffusers(
    toys: Catalog, checkpoints: dict[str, LoadedModel], checkpoint: str, name: str
) -> None:
    """Each row has its own image, and the last one none."""
    toy: Any = checkpoints[toys.find(checkpoint).family]
    adapter, pipe = loaded(toys, name), stock(toys, checkpoint, name)
    latents, steps = torch.randn(3, 4, 8, 8), torch.tensor([981.0, 401.0, 21.0])
    rows: list[Conditioning] = []
    expected: list[Tensor] = []
    for row, scale in enumerate((*SCALES, 0.6)):
        prompt = adapter.prompt(image(row), scale)
        positive, negative = toy.adapted(patches=[prompt]).encode_prompt(
            "a cat", "rain", clip_skip=-1, width=64, height=64
        )
        rows.append(positive if row < 2 else negative)
        pipe.set_ip_adapter_scale(scale)
        (both,) = pipe.prepare_ip_adapter_image_embeds(Image.fromarray(image(row)), None, CPU, 1, True)
        extras = {key: value for key, value in rows[-1].extras.items() if not key.startswith("image_")}
        conditions = {"image_embeds": [both[1:] if row < 2 else both[:1]], **extras}
        embeds = rows[-1].embeds
        expected.append(
            pipe.unet(latents[row : row + 1], steps[row], embeds, added_cond_kwargs=conditions, return_dict=False)[0]
        )
    extras = {key: torch.cat([each.extras[key] for each in rows]) for key in rows[0].extras}
    together = toy.predict(
        latents,
        steps,
        Conditioning(torch.cat([each.embeds for each in rows]), extras),
        patches=[PatchedRows(patch) for patch in toy.adapted(patches=[prompt]).patches],
    )
    torch.testing.assert_close(together, torch.cat(expected), rtol=1e-4, atol=1e-4)


def test_different_images_have_different_tokens(toys: Catalog) -> None:
    adapter = loaded(toys, "toy-ip")
    one, same, other = (adapter.prompt(image(seed), 0.5) for seed in (1, 1, 2))
    assert torch.equal(one.tokens, same.tokens)
    assert float((one.tokens - other.tokens).abs().mean()) > 0.05
    assert torch.equal(one.blank, other.blank)
    assert adapter.bytes > 4 * 64 * 32


def test_scale_zero_equals_no_image_and_hooks_are_removed(toys: Catalog, checkpoints: dict[str, LoadedModel]) -> None:
    toy: Any = checkpoints["sd1"]
    latents, steps = torch.randn(1, 4, 8, 8), torch.tensor([401.0])
    before = hook_counts(unet_of(toy))

    def predicted(scale: float | None, channels: int = 4) -> Tensor:
        prompts = [] if scale is None else [loaded(toys, "toy-ip").prompt(image(), scale)]
        checkpoint = toy.adapted(patches=prompts)
        conditioning, _ = checkpoint.encode_prompt("a cat", None, clip_skip=-1, width=64, height=64)
        output: Tensor = checkpoint.predict(
            latents[:, :channels], steps, conditioning, patches=[PatchedRows(patch) for patch in checkpoint.patches]
        )
        return output

    plain = predicted(None)
    assert torch.equal(predicted(0), plain)
    assert float((predicted(1) - plain).norm() / plain.norm()) > 0.01
    with pytest.raises(RuntimeError):
        predicted(1, channels=3)
    assert hook_counts(unet_of(toy)) == before
    assert torch.equal(predicted(None), plain)


def test_adapter_of_another_family_is_refused(toys: Catalog, checkpoints: dict[str, LoadedModel]) -> None:
    prompt = loaded(toys, "toy-ip-xl").prompt(image(), 0.5)
    toy: Any = checkpoints["sd1"]
    with pytest.raises(IPAdapterMisfitError, match=r"'toy-ip-xl' does not fit this model: it has .* width 96"):
        toy.adapted(patches=[prompt])


def test_catalog_finds_adapters_by_base_and_name(toys: Catalog) -> None:
    assert toys.find(ModelRef(IP_ADAPTER, base="v1.5")).name == "toy-ip"
    assert toys.find(ModelRef(IP_ADAPTER, base="toy-sdxl")).name == "toy-ip-xl"
    assert toys.find(ModelRef(IP_ADAPTER, "toy-ip-plus")).name == "toy-ip-plus"
    toys.refuse_misfits([ModelRef(CHECKPOINT, "v1.5"), ModelRef(IP_ADAPTER, base="v1.5")])
    with pytest.raises(MisfitError, match="'toy-ip-xl' is for models of family sdxl, but 'toy-sd1' is of family sd1"):
        toys.refuse_misfits([ModelRef(CHECKPOINT, "v1.5"), ModelRef(IP_ADAPTER, "toy-ip-xl")])
    with pytest.raises(UnknownModelError, match=r"no IP-Adapter for 'toy-sd2'.* with `for: sd2`"):
        toys.find(ModelRef(IP_ADAPTER, base="toy-sd2"))
    with pytest.raises(UnknownModelError, match="no IP-Adapter 'toy-lora'; there are: toy-ip, toy-ip-plus, toy-ip-xl"):
        toys.find(ModelRef(IP_ADAPTER, "toy-lora"))


@pytest.mark.parametrize(
    ("line", "missing"), [("for: sd1", "`encoder: clip-vit-h`"), ("encoder: toy-clip-vision", "`for: sd1`")]
)
def test_entry_without_base_or_encoder_is_refused(toys: Catalog, tmp_path: Path, line: str, missing: str) -> None:
    file = toys.find("toy-ip").path
    (tmp_path / "toy-clip-vision").symlink_to(file.parent / "toy-clip-vision")
    text = f"models: [{{name: ip, path: {file}, family: ip_adapter, {line}}}]"
    (tmp_path / "models.yaml").write_text(text.replace("toy-clip-vision", str(file.parent / "toy-clip-vision")))
    assert f"such as {missing}" in catalog.read(tmp_path).problems[0].message


def test_load_refuses_files_that_do_not_fit(toys: Catalog, tmp_path: Path) -> None:
    good = load_file(toys.find("toy-ip").path)
    face = good | {"ip_adapter.0.to_k_lora.down.weight": torch.zeros(4, 32)}
    rest = {name: tensor for name, tensor in good.items() if name.startswith("image_proj.")}
    wide = good | {"image_proj.proj.weight": torch.zeros(4 * 128, 25)}
    for weights, message in (
        (face, "needs a face recognition net; this server has none: use a plain, a plus"),
        (rest, "is not an IP-Adapter in the layout of its authors"),
        (wide, "an encoder of width 25, but that of .* has 24; correct its `encoder`: ViT-H for most"),
    ):
        save_file(weights, tmp_path / "net.safetensors")
        with pytest.raises(WeightsError, match=message):
            ip_adapter.load(entry(tmp_path / "net.safetensors", toys), CPU, torch.float32)
    with pytest.raises(WeightsError, match=r"cannot read .*config\.json"):
        ip_adapter.load(entry(toys.find("toy-ip").path, toys, tmp_path), CPU, torch.float32)


def entry(path: Path, toys: Catalog, encoder: Path | None = None) -> ModelEntry:
    folder = encoder or toys.find("toy-ip").encoder
    return ModelEntry(name="net", path=path, family="ip_adapter", base="sd1", encoder=folder)
