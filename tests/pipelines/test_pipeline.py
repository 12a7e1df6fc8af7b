from __future__ import annotations

import pytest
from pydantic import ValidationError

import pipelines
from models.catalog.catalog import Catalog, MisfitError, UnknownModelError
from models.catalog.entry import ModelEntry
from pipelines.erase import Erase
from pipelines.pipeline import MAX_TEXT, AnyPipeline, Params, Work
from pipelines.txt2img import Txt2Img
from pipelines.upscale import Upscale


class Named(Params):
    name: str = ""


@pytest.fixture
def catalog() -> Catalog:
    small = ModelEntry(name="toy", aliases=("v1.5",), path="toy", family="sd1", default=True)
    large = ModelEntry(name="large", aliases=("sdxl",), path="large", family="sdxl", side=1024)
    style = ModelEntry(name="style", path="style", family="embedding", base="sd1")
    return Catalog((small, large, style))


def test_params_refuse_unknown_names_and_lone_surrogates() -> None:
    for wrong in ({"nmae": "x"}, {"name": "\ud800"}):
        with pytest.raises(ValidationError):
            Named.model_validate(wrong)


def test_text_of_a_parameter_is_limited_and_an_image_is_not() -> None:
    with pytest.raises(ValidationError, match="at most 20000 characters"):
        Txt2Img.Params(text="x", model="m" * (MAX_TEXT + 1))
    assert len(Upscale.Params(url="A" * 30_000).url) == 30_000


@pytest.mark.parametrize("pipeline", pipelines.every(), ids=lambda pipeline: pipeline.names[0])
def test_a_wrong_list_has_few_errors(pipeline: AnyPipeline) -> None:
    """Each error costs as much as ten values, so a list must be limited or stop at its first error."""
    for name in pipeline.Params.model_fields:
        for wrong in ([None] * 10_000, {"a": [[None] * 4096] * 32}):
            with pytest.raises(ValidationError) as caught:
                pipeline.Params.model_validate({name: wrong})
            assert caught.value.error_count() < 200, name


def test_cost_is_in_units_of_one_image_of_20_guided_steps() -> None:
    assert Work(512 * 512, images=1, steps=20).cost == 1
    assert Work(1024 * 512, images=3, steps=10, compute_fraction=0.5).cost == 1.5


def test_resolve_names_sets_the_canonical_model_and_mentioned_embeddings(catalog: Catalog) -> None:
    params = Txt2Img().resolve_names(Txt2Img.Params(text="in style"), catalog)
    assert (params.model, params.embeddings, params.w) == ("toy", ("style",), 512)


def test_scales_of_a_lora_add_up_over_all_its_names() -> None:
    ink = ModelEntry(name="ink", aliases=("pen",), path="ink", family="lora", base="sd1")
    catalog = Catalog((ModelEntry(name="toy", aliases=("v1.5",), path="toy", family="sd1", default=True), ink))
    Txt2Img().resolve_names(Txt2Img.Params(text="<lora:pen:4>", lora_scales={"ink": 6}), catalog)
    with pytest.raises(MisfitError, match="LoRA 'ink' is used under several names, and its scales add up to 16"):
        Txt2Img().resolve_names(Txt2Img.Params(text="<lora:pen:8>", lora_scales={"ink": 8}), catalog)


def test_resolve_names_sets_the_native_size_unless_a_side_is_set(catalog: Catalog) -> None:
    resolved = Txt2Img().resolve_names(Txt2Img.Params(text="x", model="sdxl"), catalog)
    assert (resolved.model, resolved.w, resolved.h) == ("large", 1024, 1024)
    assert Txt2Img().resolve_names(Txt2Img.Params(text="x", model="sdxl", w=640), catalog).h == 512


def test_resolve_names_refuses_unknown_and_unfit_models(catalog: Catalog) -> None:
    with pytest.raises(UnknownModelError):
        Txt2Img().resolve_names(Txt2Img.Params(text="x", model="nobody"), catalog)
    with pytest.raises(MisfitError, match="name one of family sd1, sd2, sdxl: toy, large"):
        Erase().resolve_names(Erase.Params(url="x", mask_url="x", model="sd", version="style"), catalog)
    with pytest.raises(MisfitError):
        Upscale().resolve_names(Upscale.Params(url="x", model="toy"), catalog)
