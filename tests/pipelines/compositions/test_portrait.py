"""Portraits: which models they use, and that lines are kept and steps shared."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from models import catalog
from models.catalog.catalog import UnknownModelError
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelRef
from models.toy.drawing import draw
from models.toy.world import Scene, Thing
from pipelines.compositions.portrait import CAPTIONER_REF, FACE_REF, NO_FACE, STYLES, Portrait
from pipelines.engine.events import Advanced, Failed, Finished
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Studio

PORTRAIT = Portrait()
PERSON = np.array(draw(Scene([Thing("person", "red", "", "", 0.5, 0.5, 0.8)], "on the grass", "flat", 1), 128))


@pytest.fixture(scope="module")
def toy_catalog(models_dir):
    return catalog.read(models_dir)


def params(**changes: Any) -> Portrait.Params:
    request = {"url": "https://example.com/a.png", "style": "", "w": 128, "h": 128, "num_steps": 10, "seed": 3}
    return Portrait.Params.model_validate({**request, "left_out": ["caption", "face"], "keep_face": False, **changes})


def resolved(toy_catalog, **changes: Any) -> Portrait.Params:
    return PORTRAIT.resolve_names(params(**changes), toy_catalog)


def edges(pixels: np.ndarray) -> np.ndarray:
    """Whether an edge is near, bool [h, w]."""
    near = cv2.dilate(cv2.Canny(np.ascontiguousarray(pixels), 60, 120), np.ones((9, 9), np.uint8))
    return np.asarray(near > 0)


def test_there_are_twelve_styles_with_words_of_their_own() -> None:
    assert len(STYLES) == len({style.full_prompt("") for style in STYLES.values()}) == 12
    for name, style in STYLES.items():
        assert name.endswith("_style")
        assert "1girl, red hair" in style.full_prompt("1girl, red hair")
        params(**style.params)


def test_portrait_in_neon_is_dark_and_keeps_its_edges(studio: Studio, toy_catalog) -> None:
    request = resolved(toy_catalog, hints=["canny"], text="a person at night <lora:toy-neon>", fidelity=0.1)
    result = studio.image(PORTRAIT, request, {"url": PERSON})
    assert result.shape == PERSON.shape
    assert result.mean() < 60 < PERSON.mean()
    bright = result.max(axis=2) > 128
    assert edges(PERSON)[bright].mean() > 1.8 * edges(PERSON).mean()


def test_first_hint_with_a_controlnet_is_followed(toy_catalog) -> None:
    assert resolved(toy_catalog).hints == ("lineart",)
    # SDXL has one toy ControlNet.
    request = resolved(toy_catalog, model="toy-sdxl")
    assert (request.hints, request.left_out, request.model) == (("canny",), ("caption", "face"), "toy-sdxl")
    none = resolved(toy_catalog, model="toy-sd2")
    assert none.left_out == ("caption", "face", "control")
    assert PORTRAIT.needs(none) == (none.checkpoint_ref,)


def test_absent_models_are_left_out(toy_catalog) -> None:
    small = catalog.catalog.Catalog([entry for entry in toy_catalog if entry.name == "toy-sd1"])
    request = PORTRAIT.resolve_names(params(left_out=[], keep_face=True), small)
    assert request.left_out == ("caption", "face", "keep_face", "control")
    assert request.model == "toy-sd1"
    plain = [entry.model_copy(update={"aliases": ()}) for entry in small]
    assert PORTRAIT.resolve_names(params(), catalog.catalog.Catalog(plain)).left_out == (
        "caption",
        "face",
        "anime",
        "control",
    )


def test_a_repetition_is_the_same_task(toy_catalog) -> None:
    request = resolved(toy_catalog, left_out=[])
    again = Portrait.Params.model_validate(request.model_dump(mode="json"))
    assert PORTRAIT.resolve_names(again, toy_catalog).model_dump() == request.model_dump()
    assert CAPTIONER_REF in PORTRAIT.needs(again)


def test_anime_is_used_unless_a_model_is_chosen(toy_catalog) -> None:
    entries = [
        each.model_copy(update={"aliases": ("anime",)}) if each.name == "toy-sd2" else each
        for each in toy_catalog
    ]  # fmt: skip
    entries[0] = entries[0].model_copy(update={"aliases": ("v1.5",)})
    other = catalog.catalog.Catalog(entries)
    for changes, model in (({}, "toy-sd2"), ({"model": "toy-sd1"}, "toy-sd1"), ({"is_anime": False}, "toy-sd1")):
        assert PORTRAIT.resolve_names(params(**changes), other).checkpoint == model
    chosen = PORTRAIT.resolve_names(params(model="toy-sd1", is_anime=True), other)
    assert (chosen.checkpoint, chosen.is_anime) == ("toy-sd2", False)


def test_answer_tells_what_was_left_out(studio: Studio, toy_catalog) -> None:
    request = resolved(toy_catalog, left_out=["caption", "control", "face"], num_steps=5)
    finished = studio.run(PORTRAIT, request, {"url": PERSON})
    assert isinstance(finished, Finished)
    assert finished.result.answer == {"left_out": ["caption", "control", "face"]}


def test_picture_is_cropped_to_the_shape(studio: Studio, toy_catalog) -> None:
    wide = np.hstack([PERSON, PERSON])
    request = resolved(toy_catalog, hints=[], num_steps=5, w=64, h=128, fidelity=1)
    result = studio.image(PORTRAIT, request, {"url": wide})
    expected = wide[:, 96:160].astype(int)
    assert np.abs(result - expected).mean() < 12


def test_picture_is_cropped_around_the_largest_face(studio: Studio, toy_catalog) -> None:
    ground = np.array(draw(Scene([], "on the grass", "flat", 1), 128))
    wide = np.hstack([ground, PERSON])
    request = resolved(toy_catalog, hints=[], num_steps=5, left_out=["caption"], fidelity=1)
    result = studio.image(PORTRAIT, request, {"url": wide})
    assert np.abs(result.astype(int) - PERSON).mean() < 12
    finished = studio.run(PORTRAIT, request, {"url": np.hstack([ground, ground])})
    assert isinstance(finished, Finished)
    assert finished.result.warnings == (NO_FACE,)


def test_face_acts_as_a_prompt(studio: Studio, toy_catalog) -> None:
    changes = {"left_out": ["caption"], "hints": [], "num_steps": 5, "fidelity": 0, "text": "a person"}
    plain = studio.image(PORTRAIT, resolved(toy_catalog, **changes), {"url": PERSON})
    kept = resolved(toy_catalog, **changes, keep_face=True, face_adapter="toy-ip-plus")
    assert FACE_REF in PORTRAIT.needs(kept)
    assert (studio.image(PORTRAIT, kept, {"url": PERSON}) != plain).any()
    without = resolved(toy_catalog, **changes, keep_face=True)
    assert without.left_out == ("caption", "keep_face")
    assert (studio.image(PORTRAIT, without, {"url": PERSON}) == plain).all()


def test_adapter_for_faces_is_found_by_its_hint(toy_catalog) -> None:
    hinted = [
        each.model_copy(update={"hint": "face"}) if each.name in ("toy-ip", "toy-ip-xl") else each
        for each in toy_catalog
    ]
    with_hints = catalog.catalog.Catalog(hinted)
    request = PORTRAIT.resolve_names(params(left_out=["caption"], keep_face=True), with_hints)
    assert request.face_adapter == "toy-ip"
    assert with_hints.find(ModelRef(IP_ADAPTER, base="toy-sd1")).name == "toy-ip-plus"
    with pytest.raises(UnknownModelError, match="there is no IP-Adapter 'none'"):
        PORTRAIT.resolve_names(params(left_out=["caption"], keep_face=True, face_adapter="none"), with_hints)


def test_portraits_share_steps_with_text_to_image(studio: Studio, toy_catalog) -> None:
    """While a map is followed, two portraits share their steps; then both share them with a task without a map."""
    request = resolved(toy_catalog, hints=["canny"], control_end=0.5, fidelity=0)
    plain = Txt2Img.Params(text="a boat", model="toy-sd1", w=128, h=128, num_steps=10, seed=1)
    studio.engine.add("one", PORTRAIT, request, {"url": PERSON})
    studio.engine.add("two", PORTRAIT, request.model_copy(update={"seed": 8}), {"url": PERSON})
    studio.engine.add("text", Txt2Img(), plain, {})
    batches: list[set[str]] = []
    while studio.engine.busy:
        events = studio.engine.step()
        assert not [event for event in events if isinstance(event, Failed)]
        batches.append({event.attempt_id for event in events if isinstance(event, Advanced)})
    assert batches.count({"one", "two"}) == 5
    assert batches.count({"one", "two", "text"}) == 5
    assert batches.count({"text"}) == 5


@pytest.mark.parametrize(
    "wrong",
    [{"w": 100}, {"w": 1032}, {"h": 32}, {"num_steps": 4}, {"hints": ["none"]}, {"fidelity": 1.5}, {"url": ""}],
)
def test_wrong_params_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        params(**wrong)


def test_names_of_the_hosted_service_are_accepted() -> None:
    request = Portrait.Params.model_validate({"image_url": "https://example.com/a.png", "prompt": "red hair"})
    assert (request.url, request.text) == ("https://example.com/a.png", "red hair")
    assert ModelRef(CAPTIONER_REF.kind, "captioner") == CAPTIONER_REF
