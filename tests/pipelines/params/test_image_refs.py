from pydantic import BaseModel, Field

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


def test_images_are_found_wherever_they_stand() -> None:
    assert image_references(WHOLE) == {"url": "a", "parts.1.hint_url": "b", "named.x.hint_url": "c", "many.0": "d"}


def test_an_image_is_named_otherwise_and_nothing_else_changes() -> None:
    renamed = with_references(WHOLE, {"parts.1.hint_url": "B", "many.0": "D"})
    assert image_references(renamed) == {"url": "a", "parts.1.hint_url": "B", "named.x.hint_url": "c", "many.0": "D"}
    assert renamed.parts[0] is WHOLE.parts[0]
    assert Whole.model_validate(renamed.model_dump(mode="json")) == renamed


def test_an_empty_string_leaves_an_optional_image_out() -> None:
    assert WHOLE.mask_url is None


def test_the_schema_says_which_parameters_are_images() -> None:
    assert image_fields(Whole) == ("url", "mask_url")
    assert image_fields(pipelines.find("txt2img.sd.inpainting").Params) == ("url", "mask_url")
