import pytest
from pydantic import BaseModel, Field, ValidationError

import pipelines
from pipelines.params.image_refs import ImageRef, OptionalImage, image_fields, image_references, with_references
from pipelines.pipeline import Params


class Part(BaseModel):
    hint_url: OptionalImage = None
    name: str = "part"


class Whole(Params):
    url: ImageRef
    mask_url: OptionalImage = None
    parts: tuple[Part, ...] = ()
    named: dict[str, Part] = Field({})
    many: list[ImageRef] = Field([])


WHOLE = Whole.model_validate(
    {"url": "a", "mask_url": "", "parts": [{}, {"hint_url": "b"}], "named": {"x": {"hint_url": "c"}}, "many": ["d"]}
)


def test_image_references_are_found_at_any_depth() -> None:
    assert image_references(WHOLE) == {"url": "a", "parts.1.hint_url": "b", "named.x.hint_url": "c", "many.0": "d"}


def test_with_references_replaces_images_and_nothing_else() -> None:
    replaced = with_references(WHOLE, {"parts.1.hint_url": "B", "many.0": "D"})
    assert image_references(replaced) == {"url": "a", "parts.1.hint_url": "B", "named.x.hint_url": "c", "many.0": "D"}
    assert replaced.parts[0] is WHOLE.parts[0]
    assert Whole.model_validate(replaced.model_dump(mode="json")) == replaced


def test_empty_string_means_no_image() -> None:
    assert WHOLE.mask_url is None


def test_image_fields_are_the_top_level_images() -> None:
    assert image_fields(Whole) == ("url", "mask_url")
    assert image_fields(pipelines.find("txt2img.sd.inpainting").Params) == ("url", "mask_url")


TASK = "0123456789abcdef" * 2


@pytest.mark.parametrize(("value", "index"), [({"task": TASK}, 0), ({"task": TASK, "index": 12}, 12)])
def test_result_is_stored_as_a_string(value: object, index: int) -> None:
    whole = Whole.model_validate({"url": value, "parts": [{"hint_url": value}]})
    assert whole.url == f"task-{TASK}/{index}"
    assert whole.url.result == whole.parts[0].hint_url.result == (TASK, index)
    assert Whole.model_validate(whole.model_dump(mode="json")) == whole


@pytest.mark.parametrize(
    "value", [{}, {"task": "x"}, {"task": TASK, "index": -1}, {"task": TASK, "index": True}, {"task": TASK, "at": 1}]
)
def test_other_objects_are_no_images(value: object) -> None:
    with pytest.raises(ValidationError, match=r'is \{"task": ID, "index": 0\}'):
        Whole.model_validate({"url": value})


@pytest.mark.parametrize("text", ["cat.png", f"task-{TASK}", f"task-{TASK}/x", f"file-{TASK}"])
def test_other_texts_are_no_results(text: str) -> None:
    assert ImageRef(text).result is None
