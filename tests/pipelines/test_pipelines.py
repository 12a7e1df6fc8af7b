import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pipelines
from models import catalog
from models.catalog.catalog import Catalog
from pipelines import UnknownTaskTypeError
from pipelines.pipeline import AnyPipeline


def test_each_task_type_has_its_own_module() -> None:
    """Except for those that differ in one word: their module lists them as TASKS."""
    classes = {type(pipeline) for pipeline in pipelines.every()}
    modules = [module for module in map(inspect.getmodule, classes) if not hasattr(module, "TASKS")]
    assert len(modules) == len(set(modules)) >= 2


def test_find_accepts_each_name_of_a_task_type() -> None:
    for pipeline in pipelines.every():
        for name in pipeline.names:
            assert pipelines.find(name) is pipeline


def test_find_suggests_the_closest_name() -> None:
    with pytest.raises(UnknownTaskTypeError, match=r"unknown task type 'txt2img\.ds'; did you mean txt2img\.sd\?"):
        pipelines.find("txt2img.ds")
    with pytest.raises(UnknownTaskTypeError, match=r"the task types are .*img2img"):
        pipelines.find("")


def test_params_schema_forbids_unknown_names() -> None:
    for pipeline in pipelines.every():
        schema = pipeline.Params.model_json_schema()
        assert schema["additionalProperties"] is False
        assert schema["properties"]


def numbers(schema: Any) -> Iterator[dict[str, Any]]:
    """The schemas of all floats in a JSON schema."""
    if isinstance(schema, list):
        yield from (each for part in schema for each in numbers(part))
    elif isinstance(schema, dict):
        if schema.get("type") == "number":
            yield schema
        yield from (each for part in schema.values() for each in numbers(part))


def test_every_float_has_a_range() -> None:
    """Validation refuses NaN where a float has a range."""
    for pipeline in pipelines.every():
        for schema in numbers(pipeline.Params.model_json_schema()):
            assert schema.keys() & {"minimum", "exclusiveMinimum"}, (pipeline.names, schema)
            assert schema.keys() & {"maximum", "exclusiveMaximum"}, (pipeline.names, schema)


VALUES = {
    "text": "a house",
    "w": 128,
    "h": 128,
    "lt_rb": [0, 0, 8, 8],
    "lt_rb_list": [[0, 0, 8, 8]],
    "op": "add",
    "types": ["canny"],
    "controls": [{"type": "canny"}],
    "nodes": [{"key": "a", "endpoint": "txt2img.sd", "data": {"text": "a house"}}],
    "target": "a",
    "urls": ["x"],
    **dict(zip("abcdef", (1, 0, 0, 1, 0, 0), strict=True)),
}
"""A value for each required parameter that is no image."""


@pytest.fixture(scope="module")
def toy_models(models_dir: Path) -> Catalog:
    return catalog.read(models_dir)


@pytest.mark.parametrize("pipeline", pipelines.every(), ids=lambda pipeline: pipeline.names[0])
def test_toys_refuse_no_task_type(pipeline: AnyPipeline, toy_models: Catalog) -> None:
    fields = pipeline.Params.model_fields
    required = {name for name, field in fields.items() if field.is_required()}
    usual = {name: "x" for name in ("url", "hint_url", "text") if name in fields}
    params = pipeline.Params.model_validate({name: VALUES.get(name, "x") for name in required} | usual)
    resolved = pipeline.resolve_names(params, toy_models)
    assert all(toy_models.find(ref) for ref in pipeline.needs(resolved))


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("txt2img.sd", {}),
        ("img2img.portrait", {"url": "x"}),
        ("img2img.scene", {"url": "x"}),
        ("img2img.pattern", {"words": "A"}),
    ],
)
def test_image_without_a_size_has_that_of_its_model(name: str, sent: dict[str, str], toy_models: Catalog) -> None:
    """A checkpoint paints debris at sizes that it was not trained at."""

    def size(**sides: int) -> tuple[int, int]:
        params = pipeline.resolve_names(pipeline.Params.model_validate({"text": "x", **sent, **sides}), toy_models)
        return params.w, params.h

    pipeline = pipelines.find(name)
    assert size() == (128, 128)
    assert size(w=256) == (256, 512)
