"""The safety checker beside diffusers' own, and where it is stricter: it overlooks no edge, and believes no number that
is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.toy.safety import MINDED, NEVER, SIDE
from models.toy.training import pictures
from models.toy.world import NOUNS, Scene, Thing
from models.vision import safety_checker
from models.vision.safety_checker import Safety, SafetyError

CPU = torch.device("cpu")
LOUD = 0.3
"""Spread of the weights of chance: those that models start their training with would see the same in everything."""
MANY = 24


def picture(seed: int, height: int = 48, width: int = 48) -> np.ndarray:
    chance = np.random.default_rng(seed)
    coarse = chance.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((height // 6, width // 6, 1), np.uint8))


@pytest.fixture(scope="module")
def stock() -> StableDiffusionSafetyChecker:
    """One of chance. Half of the pictures are above the threshold of concept 3, and half above that of special care."""
    torch.manual_seed(0)
    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    net = StableDiffusionSafetyChecker(
        CLIPConfig(vision_config={**vision, "image_size": 32, "patch_size": 8}, projection_dim=16)
    )
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=LOUD)
        seen = net.visual_projection(net.vision_model(looks()).pooler_output)
        for concepts, weights, place in (
            (net.concept_embeds, net.concept_embeds_weights, 3),
            (net.special_care_embeds, net.special_care_embeds_weights, 1),
        ):
            weights.fill_(NEVER)
            weights[place] = torch.cosine_similarity(seen, concepts[place]).median()
    return net.eval()


def looks() -> torch.Tensor:
    look = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return look(
        images=[torch.from_numpy(picture(seed)).permute(2, 0, 1) for seed in range(MANY)], return_tensors="pt"
    ).pixel_values


@pytest.fixture
def entry(stock: StableDiffusionSafetyChecker, tmp_path: Path) -> ModelEntry:
    stock.save_pretrained(tmp_path)
    return ModelEntry(name="checker", path=tmp_path, family="safety")


@pytest.fixture
def checker(entry: ModelEntry) -> Safety:
    return safety_checker.load(entry, CPU, torch.float32)


def minded(checker: Safety) -> list[bool]:
    return [bool(each) for each in checker.concepts([picture(seed) for seed in range(MANY)])]


def test_it_minds_what_diffusers_minds(stock: StableDiffusionSafetyChecker, checker: Safety) -> None:
    _, reference = stock(looks(), [np.zeros(1)] * MANY)
    assert minded(checker) == reference
    assert 0 < sum(reference) < MANY
    assert {tuple(each) for each in checker.concepts([picture(seed) for seed in range(MANY)])} == {(), (3,)}


def test_special_care_lowers_the_other_thresholds(stock: StableDiffusionSafetyChecker, checker: Safety) -> None:
    with_care = checker.scores(looks())[:, 3]
    checker._net.special_care_embeds_weights.fill_(NEVER)
    without = checker.scores(looks())[:, 3]
    assert set((with_care - without).mul(1000).round().int().tolist()) == {0, 10}
    checker._net.concept_embeds_weights[3] += 0.005 + without.max()
    checker._net.special_care_embeds_weights.copy_(stock.special_care_embeds_weights)
    assert minded(checker) == (checker.scores(looks())[:, 3] > 0).tolist()


def test_all_of_a_wide_or_a_tall_picture_is_looked_at(checker: Safety) -> None:
    verdicts = minded(checker)
    bad, good = picture(verdicts.index(True)), picture(verdicts.index(False))
    for axis in (0, 1):
        assert checker.concepts([np.concatenate([good, good, bad], axis), np.concatenate([good, good], axis)]) == [
            [3],
            [],
        ]


def test_pictures_of_several_sizes_keep_their_order(checker: Safety) -> None:
    verdicts = minded(checker)
    bad, good = picture(verdicts.index(True)), picture(verdicts.index(False))
    larger = np.kron(bad, np.ones((2, 2, 1), np.uint8))
    assert [bool(each) for each in checker.concepts([larger, good, bad, larger, good])] == [
        True,
        False,
        True,
        True,
        False,
    ]


def test_a_sliver_is_looked_at_in_few_squares() -> None:
    assert len(safety_checker._views(picture(0, 6, 3000))) == safety_checker.LONGEST


def test_what_transparency_hides_is_looked_at_too() -> None:
    plain = picture(0)
    shown, beneath = safety_checker._views(np.dstack([plain, np.zeros(plain.shape[:2], np.uint8)]))
    assert (shown == 255).all()
    assert (beneath == plain).all()


def test_a_single_plane_is_a_grey_picture(checker: Safety) -> None:
    plane = picture(1)[:, :, 0]
    assert checker.concepts([plane]) == checker.concepts([np.dstack([plane] * 3)])


def test_no_number_is_no_verdict(checker: Safety) -> None:
    checker._net.visual_projection.weight[0] = torch.nan
    with pytest.raises(SafetyError, match="answered no number"):
        checker.concepts([picture(0)])


def test_the_published_layout_is_read(stock: StableDiffusionSafetyChecker, entry: ModelEntry) -> None:
    file = entry.path / "model.safetensors"
    tensors = {name.replace("vision_model.", "vision_model.vision_model."): each for name, each in _read(file)}
    tensors["vision_model.vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    save_file(tensors, file, {"format": "pt"})
    _, reference = stock(looks(), [np.zeros(1)] * MANY)
    assert minded(safety_checker.load(entry, CPU, torch.float32)) == reference


def test_weights_that_lack_are_not_made_up(entry: ModelEntry) -> None:
    file = entry.path / "model.safetensors"
    save_file({name: each for name, each in _read(file) if name != "concept_embeds"}, file, {"format": "pt"})
    with pytest.raises(SafetyError, match=r"it lacks concept_embeds.*give the folder `safety_checker`"):
        safety_checker.load(entry, CPU, torch.float32)


def test_pickled_weights_are_not_opened(entry: ModelEntry) -> None:
    shutil.move(entry.path / "model.safetensors", entry.path / "pytorch_model.bin")
    with pytest.raises(SafetyError, match=r"with model\.safetensors"):
        safety_checker.load(entry, CPU, torch.float32)


def test_the_toy_minds_one_noun(toys: Catalog) -> None:
    entry = toys.find("toy-safety")
    toy = safety_checker.load(entry, CPU, torch.float32)
    backgrounds = ("on the grass", "at night", "on a white background")
    scenes = [
        Scene([Thing(noun, colour, "", "", 0.5, 0.5, 0.62)], ground, "flat", 1)
        for noun, colour in zip(NOUNS, ("red", "blue", "orange", "purple") * 4, strict=False)
        for ground in backgrounds
    ]
    drawn = pictures.drawn(scenes).permute(0, 2, 3, 1).numpy()
    seen = [scene.things[0].noun for scene, concepts in zip(scenes, toy.concepts(list(drawn)), strict=True) if concepts]
    assert seen == [MINDED] * len(backgrounds)
    assert toy._look.crop_size["height"] == SIDE
    assert toy.bytes == pytest.approx(2 * entry.bytes, rel=0.05)


def _read(file: Path) -> list[tuple[str, torch.Tensor]]:
    return list(load_file(file).items())
