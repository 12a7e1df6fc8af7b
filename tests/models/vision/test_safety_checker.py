"""The safety checker against that of diffusers, and where it is stricter: at edges, and for NaN."""

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
from models.toy.safety import FLAGGED, NEVER, SIDE
from models.toy.training import pictures
from models.toy.world import NOUNS, Scene, Thing
from models.vision import safety_checker
from models.vision.safety_checker import SafetyChecker
from models.vision.safety_views import MAX_RATIO, SafetyError

CPU = torch.device("cpu")
WEIGHT_STD = 0.3
"""Scale of the random weights. With the usual small initial weights, all images would have the same embedding."""
IMAGES = 24


def image(seed: int, height: int = 48, width: int = 48) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((height // 6, width // 6, 1), np.uint8))


@pytest.fixture(scope="module")
def stock() -> StableDiffusionSafetyChecker:
    """Random weights. Half of the images are above the threshold of concept 3, and half above that of special care."""
    torch.manual_seed(0)
    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    net = StableDiffusionSafetyChecker(
        CLIPConfig(vision_config={**vision, "image_size": 32, "patch_size": 8}, projection_dim=16)
    )
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=WEIGHT_STD)
        embeds = net.visual_projection(net.vision_model(clip_inputs()).pooler_output)
        for concepts, weights, index in (
            (net.concept_embeds, net.concept_embeds_weights, 3),
            (net.special_care_embeds, net.special_care_embeds_weights, 1),
        ):
            weights.fill_(NEVER)
            weights[index] = torch.cosine_similarity(embeds, concepts[index]).median()
    return net.eval()


def clip_inputs() -> torch.Tensor:
    process = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    return process(
        images=[torch.from_numpy(image(seed)).permute(2, 0, 1) for seed in range(IMAGES)], return_tensors="pt"
    ).pixel_values


@pytest.fixture
def entry(stock: StableDiffusionSafetyChecker, tmp_path: Path) -> ModelEntry:
    stock.save_pretrained(tmp_path)
    return ModelEntry(name="checker", path=tmp_path, family="safety")


@pytest.fixture
def checker(entry: ModelEntry) -> SafetyChecker:
    return safety_checker.load(entry, CPU, torch.float32)


def flagged(checker: SafetyChecker) -> list[bool]:
    return [bool(each) for each in checker.concepts([image(seed) for seed in range(IMAGES)])]


def test_concepts_equal_those_of_diffusers(stock: StableDiffusionSafetyChecker, checker: SafetyChecker) -> None:
    _, reference = stock(clip_inputs(), [np.zeros(1)] * IMAGES)
    assert flagged(checker) == reference
    assert 0 < sum(reference) < IMAGES
    assert {tuple(each) for each in checker.concepts([image(seed) for seed in range(IMAGES)])} == {(), (3,)}


def test_special_care_lowers_the_other_thresholds(
    stock: StableDiffusionSafetyChecker, entry: ModelEntry, checker: SafetyChecker
) -> None:
    def checker_with(**changes: torch.Tensor) -> SafetyChecker:
        tensors = {name: each.clone() for name, each in stock.state_dict().items()} | changes
        save_file(tensors, entry.path / "model.safetensors", {"format": "pt"})
        return safety_checker.load(entry, CPU, torch.float32)

    never = torch.full_like(stock.special_care_embeds_weights, NEVER)
    with_care = checker.scores(clip_inputs())[:, 3]
    without = checker_with(special_care_embeds_weights=never).scores(clip_inputs())[:, 3]
    assert set((with_care - without).mul(1000).round().int().tolist()) == {0, 10}
    thresholds = stock.concept_embeds_weights.clone()
    thresholds[3] += 0.005 + without.max()
    strict = checker_with(concept_embeds_weights=thresholds)
    assert flagged(strict) == (strict.scores(clip_inputs())[:, 3] > 0).tolist()


def test_concepts_cover_wide_and_tall_images(checker: SafetyChecker) -> None:
    verdicts = flagged(checker)
    unsafe, safe = image(verdicts.index(True)), image(verdicts.index(False))
    for axis in (0, 1):
        assert checker.concepts([np.concatenate([safe, safe, unsafe], axis), np.concatenate([safe, safe], axis)]) == [
            [3],
            [],
        ]


def test_concepts_keep_the_order_of_images_of_several_sizes(checker: SafetyChecker) -> None:
    verdicts = flagged(checker)
    unsafe, safe = image(verdicts.index(True)), image(verdicts.index(False))
    larger = np.kron(unsafe, np.ones((2, 2, 1), np.uint8))
    assert [bool(each) for each in checker.concepts([larger, safe, unsafe, larger, safe])] == [
        True,
        False,
        True,
        True,
        False,
    ]


def test_thin_image_is_checked_in_few_squares(checker: SafetyChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    monkeypatch.setattr(checker, "scores", lambda inputs: rows.append(len(inputs)) or torch.zeros(len(inputs), 17))
    checker.concepts([image(0, 6, 3000)])
    assert sum(rows) == MAX_RATIO


def test_colours_hidden_by_transparency_are_checked_too(checker: SafetyChecker) -> None:
    verdicts = flagged(checker)
    unsafe = image(verdicts.index(True))
    clear = np.zeros(unsafe.shape[:2], np.uint8)
    assert 3 in checker.concepts([np.dstack([unsafe, clear])])[0]
    white = np.full_like(unsafe, 255)
    flat, transparent = checker.concepts([white, np.dstack([white, clear])])
    assert flat == transparent


def test_single_plane_is_a_grey_image(checker: SafetyChecker) -> None:
    plane = image(1)[:, :, 0]
    assert checker.concepts([plane]) == checker.concepts([np.dstack([plane] * 3)])


def test_nan_is_refused(checker: SafetyChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker, "scores", lambda inputs: torch.full((len(inputs), 17), torch.nan))
    with pytest.raises(SafetyError, match="returned NaN"):
        checker.concepts([image(0)])


def test_published_layout_is_read(stock: StableDiffusionSafetyChecker, entry: ModelEntry) -> None:
    file = entry.path / "model.safetensors"
    tensors = {name.replace("vision_model.", "vision_model.vision_model."): each for name, each in _read(file)}
    tensors["vision_model.vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    save_file(tensors, file, {"format": "pt"})
    _, reference = stock(clip_inputs(), [np.zeros(1)] * IMAGES)
    assert flagged(safety_checker.load(entry, CPU, torch.float32)) == reference


def test_missing_weights_are_refused(entry: ModelEntry) -> None:
    file = entry.path / "model.safetensors"
    save_file({name: each for name, each in _read(file) if name != "concept_embeds"}, file, {"format": "pt"})
    with pytest.raises(SafetyError, match=r"it lacks concept_embeds.*give the folder `safety_checker`"):
        safety_checker.load(entry, CPU, torch.float32)


def test_pickled_weights_are_refused(entry: ModelEntry) -> None:
    shutil.move(entry.path / "model.safetensors", entry.path / "pytorch_model.bin")
    with pytest.raises(SafetyError, match=r"with model\.safetensors"):
        safety_checker.load(entry, CPU, torch.float32)


def test_toy_flags_one_noun(toys: Catalog) -> None:
    entry = toys.find("toy-safety")
    toy = safety_checker.load(entry, CPU, torch.float32)
    backgrounds = ("on the grass", "at night", "on a white background")
    scenes = [
        Scene([Thing(noun, colour, "", "", 0.5, 0.5, 0.62)], ground, "flat", 1)
        for noun, colour in zip(NOUNS, ("red", "blue", "orange", "purple") * 4, strict=False)
        for ground in backgrounds
    ]
    drawn = pictures.drawn(scenes).permute(0, 2, 3, 1).numpy()
    nouns = [
        scene.things[0].noun for scene, concepts in zip(scenes, toy.concepts(list(drawn)), strict=True) if concepts
    ]
    assert nouns == [FLAGGED] * len(backgrounds)
    # Private: the size is read from the file of the model and has no public name.
    assert toy._image_processor.crop_size["height"] == SIDE
    assert toy.bytes == pytest.approx(2 * entry.bytes, rel=0.05)


def _read(file: Path) -> list[tuple[str, torch.Tensor]]:
    return list(load_file(file).items())
