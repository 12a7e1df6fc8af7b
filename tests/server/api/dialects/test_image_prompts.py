import pytest

from server.api.dialects.image_prompts import image_prompt, require_ip_adapter
from server.tasks.submission import InvalidParamsError

ADAPTER = "\n  - {name: look, path: toy.safetensors, family: ip_adapter, for: sd1, encoder: toy.safetensors}\n"


@pytest.mark.parametrize("more_models", [ADAPTER])
async def test_picture_needs_an_ip_adapter_that_fits_the_model(services):
    catalog = services.catalog
    require_ip_adapter(catalog, "toy", "picture")
    with pytest.raises(InvalidParamsError, match="IP-Adapter") as caught:
        require_ip_adapter(catalog, "canvas", "picture")
    assert caught.value.field == "picture"


def test_several_pictures_act_together():
    assert image_prompt(["a", "b", "c"], "picture") == {"ip_adapter": {"url": "a", "more_urls": ["b", "c"]}}
    with pytest.raises(InvalidParamsError, match="9 pictures are too many"):
        image_prompt(["a"] * 9, "picture")
