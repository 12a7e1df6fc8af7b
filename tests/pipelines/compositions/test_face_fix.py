from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from models import catalog
from models.catalog.catalog import Catalog, MisfitError, UnknownModelError
from models.registry.registry import Registry
from models.toy.drawing import draw
from models.toy.world import Scene, Thing
from pipelines.compositions import face_fix
from pipelines.compositions.face_fix import FaceFix
from pipelines.engine.events import Advanced
from pipelines.upscale import Upscale
from tests.pipelines.conftest import Studio
from tests.support.faces import restorer_weights

FIX = FaceFix()
URL = "https://example.com/a.png"


def params(catalog: Catalog, **changes: Any) -> Any:
    """As they are when they have been accepted."""
    return FIX.resolve(FIX.resolve_names(FIX.Params.model_validate({"url": URL, **changes}), catalog))


def people(side: int, *places: tuple[float, float]) -> np.ndarray:
    things = [Thing("person", "red", "", "", x, 0.5, size) for x, size in places]
    return np.array(draw(Scene(things, "on the grass", "flat", 1), side))


@pytest.fixture(scope="module")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a face restorer of random weights."""
    folder = tmp_path_factory.mktemp("restorers")
    save_file(restorer_weights(), folder / "GFPGAN-tiny.safetensors")
    return folder


@pytest.fixture(scope="module")
def own_studio(own_models: Catalog) -> Iterator[Studio]:
    registry = Registry(own_models, torch.device("cpu"), torch.float32, 1 << 40, 0)
    yield Studio(registry)
    registry.close()


@pytest.fixture(scope="module")
def models(models_dir: Path) -> Catalog:
    return catalog.read(models_dir)


@pytest.fixture(scope="module")
def own_models(models_dir: Path, own_folder: Path) -> Catalog:
    return catalog.read(models_dir, own_folder)


def test_repainting_changes_the_face_alone(studio: Studio, models: Catalog) -> None:
    picture = people(256, (0.5, 0.6))
    wanted = params(models, side=64, num_steps=5, seed=7)
    assert (wanted.method, wanted.model) == ("repaint", "toy-sd1")
    result = studio.image(FIX, wanted, {"url": picture})
    changed = (result != picture).any(axis=2)
    rows, columns = np.nonzero(changed)
    head, half = (128, 128 - 0.7 * 0.3 * 256), 0.26 * 0.3 * 256 * 1.5
    assert changed.any()
    assert abs(columns - head[0]).max() <= half + 4
    assert abs(rows - head[1]).max() <= half + 4
    assert np.array_equal(studio.image(FIX, wanted, {"url": picture}), result)
    transparent = np.dstack([picture, np.full((256, 256), 200, np.uint8)])
    assert studio.image(FIX, wanted, {"url": transparent}).shape == (256, 256, 4)


def test_faces_of_a_picture_share_their_steps(studio: Studio, models: Catalog) -> None:
    def steps(*places: tuple[float, float]) -> int:
        studio.engine.add("task", FIX, params(models, side=64, num_steps=10, seed=7), {"url": people(256, *places)})
        batches = []
        while studio.engine.busy:
            batches.append([event for event in studio.engine.step() if isinstance(event, Advanced)])
        return sum(map(bool, batches))

    assert steps((0.25, 0.55), (0.75, 0.55)) == steps((0.25, 0.55)) > 0


@pytest.mark.parametrize("picture", [people(128, (0.5, 0.5)), np.zeros((64, 64, 3), np.uint8)], ids=["small", "none"])
def test_pictures_without_a_large_face_stay_as_they_are(studio: Studio, models: Catalog, picture: np.ndarray) -> None:
    assert np.array_equal(studio.image(FIX, params(models, side=64), {"url": picture}), picture)


def test_restorer_is_used_where_there_is_one(
    own_studio: Studio, own_models: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_fix, "RESTORED_SIDE", 64)  # 512 take seconds
    picture = people(256, (0.5, 0.6))
    wanted = params(own_models)
    assert (wanted.method, wanted.model) == ("restore", "GFPGAN-tiny")
    result = own_studio.image(FIX, wanted, {"url": picture})
    faint = own_studio.image(FIX, params(own_models, strength=0.25), {"url": picture})
    none = own_studio.image(FIX, params(own_models, strength=0), {"url": picture})
    assert np.array_equal(none, picture)
    full, quarter = (np.abs(each.astype(int) - picture).sum() for each in (result, faint))
    assert quarter == pytest.approx(full / 4, rel=0.05)


def test_model_decides_the_method_and_other_models_are_refused(own_models: Catalog) -> None:
    assert params(own_models, model="toy-sd1").method == "repaint"
    assert params(own_models, model="gfpgan-tiny").method == "restore"
    for wrong in ({"model": "esr", "method": "restore"}, {"model": "esr"}, {"model": "toy-sd1", "method": "restore"}):
        with pytest.raises(MisfitError, match="cannot be used here"):
            params(own_models, **wrong)
    with pytest.raises(MisfitError, match="cannot be used here; name one of family upscaler"):
        Upscale().resolve_names(Upscale.Params.model_validate({"url": URL, "model": "GFPGAN-tiny"}), own_models)


def test_missing_restorer_is_named(models: Catalog) -> None:
    with pytest.raises(UnknownModelError, match="face restorer"):
        params(models, method="restore")


def test_bad_prompt_is_refused() -> None:
    with pytest.raises(ValidationError, match="101 prompts are joined by AND"):
        FIX.Params(url=URL, text="a AND " * 100)
