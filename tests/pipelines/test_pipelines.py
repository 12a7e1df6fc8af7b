import inspect

import pytest

import pipelines
from pipelines import UnknownTaskTypeError


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
