import pytest
from pydantic import ValidationError

from server.api.dialects.openai.request import EditRequest, GenerationRequest
from server.tasks.submission import InvalidParamsError


def test_nulls_mean_not_set_and_numbers_may_be_text():
    fields = {"prompt": "x", "n": "3", "stream": "true", "size": None, "quality": None, "style": None, "user": None}
    request = EditRequest.model_validate(fields)
    assert (request.n, request.stream, request.size, request.quality) == (3, True, "auto", "auto")


@pytest.mark.parametrize(
    ("fields", "base64"),
    [
        ({}, False),
        ({"model": "dall-e-3"}, False),
        ({"model": "gpt-image-1"}, True),
        ({"model": "openai/gpt-image-1.5"}, True),
        ({"model": "chatgpt-image-latest"}, True),
        ({"model": "toy"}, False),
        ({"model": "gpt-image-1", "response_format": "url"}, False),
        ({"model": "dall-e-3", "response_format": "b64_json"}, True),
    ],
)
def test_model_decides_whether_images_or_links_are_sent(fields, base64):
    assert GenerationRequest(prompt="x", **fields).sends_base64 is base64


@pytest.mark.parametrize("size", ["", "auto"])
def test_no_size_is_auto(size):
    assert GenerationRequest(prompt="x", size=size).pixel_size is None


@pytest.mark.parametrize("size", ["512", "512x", "0x512", "63x64", "8193x64", "512x512x3", "-1x64"])
def test_wrong_sizes_are_refused(size):
    with pytest.raises(InvalidParamsError) as caught:
        _ = GenerationRequest(prompt="x", size=size).pixel_size
    assert caught.value.field == "size"


@pytest.mark.parametrize("output_format", ["png", "webp", "jpeg"])
@pytest.mark.parametrize("background", ["auto", "opaque", "transparent"])
def test_transparency_needs_a_format_that_has_it(output_format, background):
    fields = {"prompt": "x", "output_format": output_format, "background": background}
    if (output_format, background) == ("jpeg", "transparent"):
        with pytest.raises(ValidationError, match="no transparency"):
            GenerationRequest(**fields)
    else:
        assert GenerationRequest(**fields).background == background


@pytest.mark.parametrize("moderation", ["auto", "low"])
@pytest.mark.parametrize("style", ["vivid", "natural"])
def test_fields_without_effect_are_accepted(moderation, style):
    GenerationRequest(prompt="x", moderation=moderation, style=style, user="u", safety_identifier="s")
