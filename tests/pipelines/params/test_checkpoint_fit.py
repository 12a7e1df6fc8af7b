from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.catalog.catalog import MisfitError
from models.catalog.checkpoint_shape import CheckpointShape, TextEncoderShape
from models.catalog.entry import ModelEntry
from pipelines.params.checkpoint_fit import refuse_mixed_families, refuse_text_misfits, refuse_without_mask
from pipelines.txt2img import Txt2ImgParams

SMALL, LARGE = TextEncoderShape(4, 3), TextEncoderShape(6, 5)


def entry(family: str = "sd1", *encoders: TextEncoderShape, **fields: Any) -> ModelEntry:
    return ModelEntry(name="x", path=Path("x"), family=family, shape=CheckpointShape(encoders), **fields)


def params(**changes: Any) -> Txt2ImgParams:
    return Txt2ImgParams(**{"text": "a sks", **changes})


@pytest.mark.parametrize(("family", "most"), [("sd1", 3), ("sdxl", 2)])
def test_clip_skip_leaves_a_layer_of_each_encoder(family: str, most: int) -> None:
    checkpoint = entry(family, LARGE, SMALL)
    refuse_text_misfits(params(clip_skip=most), checkpoint)
    with pytest.raises(MisfitError, match=f"clip_skip {most + 1} leaves no layer .* 'x'; set it to at most {most}"):
        refuse_text_misfits(params(clip_skip=most + 1), checkpoint)


def test_default_clip_skip_is_that_of_the_model() -> None:
    with pytest.raises(MisfitError, match="clip_skip 8"):
        refuse_text_misfits(params(), entry("sd1", SMALL, clip_skip=8))


def test_vectors_have_the_width_of_the_encoder() -> None:
    vectors = {"sks": [[0.0] * 5]}
    refuse_text_misfits(params(custom_embeddings=vectors), entry("sd1", LARGE))
    with pytest.raises(MisfitError, match="'sks' have 5 numbers each, but a text encoder of model 'x' takes 3"):
        refuse_text_misfits(params(custom_embeddings=vectors), entry("sd1", SMALL))
    refuse_text_misfits(params(text="a cat", custom_embeddings=vectors), entry("sd1", SMALL))


def test_unknown_shape_refuses_nothing() -> None:
    refuse_text_misfits(params(clip_skip=8, custom_embeddings={"sks": [[0.0]]}), entry())
    refuse_without_mask(entry())


def test_inpainting_checkpoint_needs_a_mask() -> None:
    checkpoint = ModelEntry(name="x", path=Path("x"), family="sd1", shape=CheckpointShape((), 9))
    with pytest.raises(MisfitError, match="is for inpainting and paints masked areas only"):
        refuse_without_mask(checkpoint)


def test_checkpoints_of_both_passes_are_of_one_family() -> None:
    refuse_mixed_families([entry("sd1"), entry("sd1")])
    with pytest.raises(MisfitError, match="of highres_info is of family sdxl, but 'x' is of family sd1; name one of"):
        refuse_mixed_families([entry("sd1"), entry("sdxl")])
