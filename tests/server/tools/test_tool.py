"""A tool makes a workflow of the values of its form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from models.catalog.catalog import Catalog
from pipelines.workflow import WorkflowParams
from server.tools.field import ToolValueError
from server.tools.tool import Tool

SCENE = """
id: scene
name: Scene
fields:
  - {id: photo, type: image, required: true}
  - {id: words, type: text, default: the sea}
  - {id: size, type: size, default: 512x256}
  - id: model
    type: choice
    items:
      - {id: day, value: sunlight}
      - {id: night, value: stars, set: {paint.num_steps: 30, paint.lora_scales: {neon: 0.5}}}
nodes:
  - {key: cut, endpoint: img2img.sod, data: {url: $photo}}
  - key: paint
    endpoint: txt2img.sd
    data: {text: "${words}, $model", w: $size.width, h: $size.height}
target: paint
intermediate: [cut]
"""


def tool(text: str = SCENE, **changes: Any) -> Tool:
    return Tool.model_validate(yaml.safe_load(text) | changes)


def test_values_fill_the_workflow() -> None:
    filled = tool().fill({"photo": "file-1", "words": "a $photo", "model": "night", "size": "64x128"})
    cut, paint = filled.params["nodes"]
    assert cut["data"] == {"url": "file-1"}
    assert paint["data"] == {
        "text": "a $photo, stars",
        "w": 64,
        "h": 128,
        "num_steps": 30,
        "lora_scales": {"neon": 0.5},
    }
    assert (filled.params["target"], filled.params["intermediate"]) == ("paint", ("cut",))
    assert filled.origins["nodes.0.data.url"] == "photo"
    assert filled.origins["nodes.1.data.w"] == "size"
    WorkflowParams.model_validate(filled.params)


def test_fields_that_are_left_out_have_their_default_or_nothing() -> None:
    filled = tool().fill({"photo": "file-1", "words": "", "model": None})
    assert filled.params["nodes"][1]["data"] == {"text": "the sea, ", "w": 512, "h": 256}


def test_filling_changes_nothing_for_the_next_caller() -> None:
    each = tool()
    each.fill({"photo": "file-1", "model": "night"})
    assert "num_steps" not in each.fill({"photo": "file-1", "model": "day"}).params["nodes"][1]["data"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "values.photo is missing"),
        ({"photo": ""}, "values.photo must be a picture"),
        ({"photo": "x", "foto": "x"}, "values.foto is unknown; did you mean photo?"),
        ({"photo": "x", "model": "noon"}, "values.model must be one of day, night"),
    ],
)
def test_wrong_values_are_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolValueError) as refusal:
        tool().fill(values)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SCENE.replace("required: true", "required: false"), r"with the required fields alone: .*'cut': url"),
        (SCENE.replace("$photo", "$foto"), r"the nodes name \$foto, which is no field; did you mean photo"),
        (SCENE.replace("$size.height", "64").replace("$size.width", "64"), r"no node names \$size"),
        (SCENE.replace("paint.num_steps", "pain.num_steps"), "which is no param of a node"),
        (SCENE.replace("num_steps: 30", "num_steps: 3000"), "with model 'night': .*num_steps"),
        (SCENE.replace("target: paint", "target: point"), "target 'point' is not a node"),
        (SCENE.replace("img2img.sod", "img2img.sot"), "img2img.sot"),
        (SCENE.replace("id: words", "id: photo"), "two fields have the id 'photo'"),
    ],
)
def test_tool_that_cannot_work_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        tool(text)


def test_too_many_nodes_are_refused() -> None:
    nodes = [{"key": f"n{index}", "endpoint": "txt2img.sd", "data": {"text": "x"}} for index in range(33)]
    with pytest.raises(ValidationError, match="at most 32"):
        tool(nodes=nodes, fields=())


def test_missing_models_are_named(tmp_path: Path) -> None:
    assert "matting" in tool().missing(Catalog(()))


def test_tenants_limit_who_sees_it() -> None:
    assert tool().is_for("anyone")
    assert not tool(tenants=["acme"]).is_for("other")
