"""Merged LoRAs against diffusers with the updates added to its weights; and the original weights afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.loaders.lora_conversion_utils import (
    _convert_non_diffusers_lora_to_diffusers,
    _maybe_map_sgm_blocks_to_diffusers,
)
from safetensors.torch import load_file
from torch import Tensor, nn

from models.adapters.lora import Lora, LoraError
from models.adapters.lora_merge import Adapter, MergedNet, refuse_misfit
from models.catalog.catalog import Catalog
from models.registry import loaders
from models.toy.additions import RANK
from tests.support.nets import unet_of

CPU = torch.device("cpu")
SIZE = {"clip_skip": -1, "width": 64, "height": 64}
Outputs = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def fresh(toys: Catalog) -> dict[str, Any]:
    """Checkpoints that only this file uses."""
    return {name: loaders.load(toys.find(name), CPU, torch.float32) for name in ("toy-sd1", "toy-sdxl")}


def lora(toys: Catalog, name: str) -> Lora:
    loaded = loaders.load(toys.find(name), CPU, torch.float32)
    assert isinstance(loaded, Lora)
    return loaded


def outputs(checkpoint: Any) -> Outputs:
    """The embeddings of a prompt, and the output of the denoiser for random latents."""
    torch.manual_seed(0)
    latents, timesteps = torch.randn(2, 4, 8, 8), torch.tensor([900, 20])
    conditioning, _ = checkpoint.encode_prompt("a red apple", None, **SIZE)
    extras = {name: extra.expand(2, -1) for name, extra in conditioning.extras.items()}
    return conditioning.embeds, checkpoint.predict(
        latents, timesteps, type(conditioning)(conditioning.embeds.expand(2, -1, -1), extras)
    )


def forget_encodings(checkpoint: Any) -> None:
    """Lets the text encoders run again. Private: the public `to` also restores the weights, which is tested here."""
    checkpoint._encodings.clear()


def same(one: Outputs, other: Outputs) -> bool:
    return all(torch.equal(*pair) for pair in zip(one, other, strict=True))


class Reference:
    """A stock pipeline with scale·(alpha/rank)·B·A added to its weights, module by module."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True)

    def add(self, file: Path, scale: float) -> None:
        weights, alphas = load_file(file), {}
        if any(key.startswith("lora_") for key in weights):
            weights = _maybe_map_sgm_blocks_to_diffusers(weights, self.pipe.unet.config)
            weights, alphas = _convert_non_diffusers_lora_to_diffusers(weights)
            assert set(alphas.values()) == {RANK / 2}
        by_rank = 0.5 if alphas else 1.0
        for key in [key for key in weights if ".down." in key or ".lora_A." in key]:
            up = weights[key.replace(".down.", ".up.").replace(".lora_A.", ".lora_B.")].float()
            down, path = weights[key].float(), self._path(key)
            module = self._module(path)
            update = torch.mm(up.flatten(1), down.flatten(1)).view(module.weight.shape)
            module.weight += scale * by_rank * update

    def outputs(self) -> Outputs:
        torch.manual_seed(0)
        latents, timesteps = torch.randn(2, 4, 8, 8), torch.tensor([900, 20])
        options = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": False}
        embeds, _, *pooled = self.pipe.encode_prompt("a red apple", **options)
        extras = {}
        if pooled:
            sizes = torch.tensor([[64.0, 64, 0, 0, 64, 64]])
            extras = {"text_embeds": pooled[0].expand(2, -1), "time_ids": sizes.expand(2, -1)}
        rows = embeds.expand(2, -1, -1)
        return embeds, self.pipe.unet(latents, timesteps, rows, added_cond_kwargs=extras).sample

    def _path(self, key: str) -> str:
        for half in (".lora.down.", ".lora_linear_layer.down.", "_lora.down.", ".lora_A."):
            key = key.split(half)[0]
        key = key.replace(".processor.", ".").replace("text_encoder.text_model.", "text_encoder.")
        for name in "qkv":
            key = key.replace(f"self_attn.to_{name}", f"self_attn.{name}_proj")
        return (key + ".0" if key.endswith("to_out") and ".attn" in key else key).replace(
            "self_attn.to_out", "self_attn.out_proj"
        )

    def _module(self, path: str) -> nn.Linear | nn.Conv2d:
        part, inside = path.split(".", 1)
        module = getattr(self.pipe, part).get_submodule(inside)
        assert isinstance(module, nn.Linear | nn.Conv2d)
        return module


@pytest.mark.parametrize(
    ("model", "names"),
    [("toy-sd1", ["toy-lora"]), ("toy-sd1", ["toy-lora-peft", "toy-lora"]), ("toy-sdxl", ["toy-lora-xl"])],
)
def test_merged_net_equals_diffusers_with_added_updates(
    model: str, names: list[str], fresh: dict[str, Any], toys: Catalog, models_dir: Path
) -> None:
    reference = Reference(models_dir / model)
    plain = outputs(fresh[model])
    for index, name in enumerate(names):
        reference.add(models_dir / f"{name}.safetensors", 0.7 - index)
    adapters = [Adapter(lora(toys, name), 0.7 - index, 0.7 - index) for index, name in enumerate(names)]
    ours, expected = outputs(fresh[model].adapted(adapters)), reference.outputs()
    for our, other, before in zip(ours, expected, plain, strict=True):
        torch.testing.assert_close(our, other, rtol=1e-4, atol=2e-5)
        assert (our - before).abs().max() > 0.05
    assert same(outputs(fresh[model]), plain)


def test_unet_and_text_encoders_have_separate_scales(fresh: dict[str, Any], toys: Catalog) -> None:
    toy, one = fresh["toy-sd1"], lora(toys, "toy-lora")
    plain = outputs(toy)
    text_only = toy.adapted([Adapter(one, 0, 1)])
    assert text_only.adapters == ()
    assert not torch.equal(outputs(text_only)[0], plain[0])
    unet_only = toy.adapted([Adapter(one, 1, 0)])
    assert unet_only.adapters == ((one.serial, 1),)
    states, output = outputs(unet_only)
    assert torch.equal(states, plain[0])
    assert not torch.equal(output, plain[1])


def test_alternating_sets_leave_no_trace(fresh: dict[str, Any], toys: Catalog) -> None:
    toy = fresh["toy-sd1"]
    one, other = Adapter(lora(toys, "toy-lora"), 0.7, 0.7), Adapter(lora(toys, "toy-lora-peft"), -0.5, 1)
    sets = [[one], [other], [one, other], []]
    first = [outputs(toy.adapted(worn)) for worn in sets]
    forget_encodings(toy)
    again = [outputs(toy.adapted(worn)) for worn in reversed(sets)]
    assert all(same(*pair) for pair in zip(first, reversed(again), strict=True))
    assert len({float(output.sum()) for _, output in first}) == len(sets)


def test_lora_of_another_family_is_refused_and_leaves_no_trace(fresh: dict[str, Any], toys: Catalog) -> None:
    plain = outputs(fresh["toy-sd1"])
    good, bad = Adapter(lora(toys, "toy-lora")), Adapter(lora(toys, "toy-lora-xl"))
    with pytest.raises(LoraError, match=r"'toy-lora-xl' updates .* use a LoRA for (its|the) family"):
        outputs(fresh["toy-sd1"].adapted([good, bad]))
    assert same(outputs(fresh["toy-sd1"]), plain)


def test_failure_during_switch_restores_the_weights(
    fresh: dict[str, Any], toys: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy, worn = fresh["toy-sd1"], fresh["toy-sd1"].adapted([Adapter(lora(toys, "toy-lora"))])
    plain, merged = outputs(toy), outputs(worn)
    forget_encodings(toy)
    for part in ("unet", "text_encoder"):
        broken = lora(toys, "toy-lora-peft")
        names = list(lora(toys, "toy-lora").updates[part])
        valid = lora(toys, "toy-lora").updates[part]
        misshapen = {**valid[names[-1]], "up": torch.randn(3, 4)}
        broken.updates = {part: {**{name: valid[name] for name in names[:5]}, names[-1]: misshapen}}
        for before in (toy, worn):
            outputs(before)
            with pytest.raises(LoraError, match="but its weight is"):
                outputs(toy.adapted([Adapter(broken)]))
        forget_encodings(toy)
        assert same(outputs(toy), plain)
        assert same(outputs(worn), merged)


def test_same_set_is_not_merged_again(fresh: dict[str, Any], toys: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    worn = fresh["toy-sd1"].adapted([Adapter(lora(toys, "toy-lora"))])
    expected = outputs(worn)
    counted: list[Tensor] = []
    monkeypatch.setattr(MergedNet, "_merge", lambda net, weight, terms: counted.append(weight))
    assert same(outputs(worn), expected)
    assert not counted
    outputs(fresh["toy-sd1"].adapted([Adapter(lora(toys, "toy-lora"), 0.5)]))
    assert counted


def test_weights_are_restored_before_a_move(fresh: dict[str, Any], toys: Catalog) -> None:
    toy = fresh["toy-sd1"]
    plain, before = outputs(toy), unet_of(toy).state_dict()["conv_in.weight"].clone()
    outputs(toy.adapted([Adapter(lora(toys, "toy-lora"))]))
    toy.to(CPU)
    assert torch.equal(unet_of(toy).state_dict()["conv_in.weight"], before)
    assert not toy._merged_unet._originals  # private: nothing public shows that the copies are freed
    assert same(outputs(toy), plain)


def test_half_precision_is_rounded_once(toys: Catalog) -> None:
    linear = nn.Linear(8, 8).half().requires_grad_(False)
    down, up = torch.randn(2, 8), torch.randn(8, 2)
    update = Lora("x", {"unet": {"": {"down": down, "up": up}}})
    before = linear.weight.clone()
    net = MergedNet(linear, "unet")
    net.switch([(update, 0.3)])
    assert torch.equal(linear.weight, (before.float() + 0.3 * (up @ down)).half())
    net.restore()
    assert torch.equal(linear.weight, before)


def test_norms_and_biases_are_updated_and_restored() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)).requires_grad_(False)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    deltas = {role: torch.randn(4) for role in ("diff", "diff_b")}
    merged = MergedNet(net, "unet")
    merged.switch([(Lora("x", {"unet": {"1": deltas, "0": {"diff_b": deltas["diff"]}}}), 0.5)])
    after = net.state_dict()
    assert torch.equal(after["0.weight"], before["0.weight"])
    torch.testing.assert_close(after["0.bias"], before["0.bias"] + 0.5 * deltas["diff"])
    torch.testing.assert_close(after["1.weight"], before["1.weight"] + 0.5 * deltas["diff"])
    torch.testing.assert_close(after["1.bias"], before["1.bias"] + 0.5 * deltas["diff_b"])
    merged.restore()
    assert all(torch.equal(net.state_dict()[key], tensor) for key, tensor in before.items())


def test_changed_file_of_the_same_name_is_merged_anew() -> None:
    net = nn.Sequential(nn.Linear(4, 4, bias=False)).requires_grad_(False)
    before, merged = net[0].weight.clone(), MergedNet(net, "unet")
    for value in (1.0, 2.0):
        merged.switch([(Lora("x", {"unet": {"0": {"diff": torch.full((4, 4), value)}}}), 1.0)])
        torch.testing.assert_close(net[0].weight, before + value)


def test_updates_that_depend_on_the_weight_take_the_original_one() -> None:
    net = nn.Sequential(nn.Linear(4, 4)).requires_grad_(False)
    before = net.state_dict()["0.weight"].clone()
    double = {"unet": {"0": {"weight": torch.ones(4), "on_input": torch.tensor(1)}}}
    MergedNet(net, "unet").switch([(Lora("x", double), 1.0), (Lora("y", double), 0.5)])
    torch.testing.assert_close(net.state_dict()["0.weight"], 2.5 * before)


def test_modules_that_the_model_lacks_are_left_out() -> None:
    net = nn.Sequential(nn.Linear(4, 4)).requires_grad_(False)
    before = net.state_dict()["0.bias"].clone()
    update, merged = {"diff_b": torch.ones(4)}, MergedNet(net, "unet")
    partly = Lora("x", {"unet": {"0": update, "9": update}, "text_encoder_2": {"0": update}})
    refuse_misfit(partly, [merged])
    merged.switch([(partly, 1.0)])
    torch.testing.assert_close(net.state_dict()["0.bias"], before + 1)
    for updates in ({"unet": {"9": update}}, {"text_encoder_2": {"0": update}}):
        with pytest.raises(LoraError, match=r"LoRA 'x' updates '[09]' of a .*, and nothing else that this model has"):
            refuse_misfit(Lora("x", updates), [merged])


def test_checkpoint_names_what_has_no_effect(fresh: dict[str, Any], toys: Catalog) -> None:
    whole = lora(toys, "toy-lora")
    assert fresh["toy-sd1"].adapted([Adapter(whole)]).warnings == fresh["toy-sd1"].warnings == ()
    factors = next(iter(whole.updates["unet"].values()))
    updates = {**whole.updates, "unet": {**whole.updates["unet"], "conv_last": factors}}
    partly = Lora("ink", updates, ["bundle_emb.x"])
    assert fresh["toy-sd1"].adapted([Adapter(partly)]).warnings == (
        "LoRA 'ink': keys that are not understood have no effect: bundle_emb.x",
        "LoRA 'ink': modules that the model lacks have no effect: unet conv_last",
    )


@pytest.fixture(autouse=True)
def nothing_stays(fresh: dict[str, Any]) -> Iterator[None]:
    yield
    for checkpoint in fresh.values():
        checkpoint.to(CPU)
