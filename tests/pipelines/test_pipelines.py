import inspect

import pytest

import pipelines
from pipelines import UnknownTaskTypeError


def test_every_kind_of_task_has_a_file_of_its_own() -> None:
    """But for those that a module lists, which differ in a word."""
    kinds = {type(pipeline): inspect.getmodule(type(pipeline)) for pipeline in pipelines.every()}
    homes = [home for home in kinds.values() if not hasattr(home, "TASKS")]
    assert len(homes) == len(set(homes)) >= 2


def test_a_task_type_is_found_by_each_of_its_names() -> None:
    for pipeline in pipelines.every():
        for name in pipeline.names:
            assert pipelines.find(name) is pipeline


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownTaskTypeError, match=r"unknown task type 'txt2img\.ds'; did you mean 'txt2img\.sd'\?"):
        pipelines.find("txt2img.ds")
    with pytest.raises(UnknownTaskTypeError, match=r"there are .*img2img"):
        pipelines.find("")


def test_every_parameter_is_bounded_and_described_in_its_schema() -> None:
    for pipeline in pipelines.every():
        schema = pipeline.Params.model_json_schema()
        assert schema["additionalProperties"] is False
        assert schema["properties"]
