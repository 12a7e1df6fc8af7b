import pytest

from server.api.dialects.image_prompts import require_ip_adapter
from server.tasks.submission import InvalidParamsError

ADAPTER = "\n  - {name: look, path: toy.safetensors, family: ip_adapter, for: sd1, encoder: toy.safetensors}\n"


@pytest.mark.parametrize("more_models", [ADAPTER])
async def test_picture_needs_an_ip_adapter_that_fits_the_model(services):
    catalog = services.catalog
    require_ip_adapter(catalog, "toy", "picture")
    with pytest.raises(InvalidParamsError, match="IP-Adapter") as caught:
        require_ip_adapter(catalog, "canvas", "picture")
    assert caught.value.field == "picture"
