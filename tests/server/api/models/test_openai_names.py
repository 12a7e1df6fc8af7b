import pytest

from models.catalog.catalog import UnknownModelError
from server.api.models.openai_names import find_model


@pytest.mark.parametrize(
    "name", ["gpt-image-1", "GPT-Image-1", "gpt-image-2-2026-04-21", "dall-e-3", "openai/dall-e-2", ""]
)
def test_names_of_openai_mean_the_default_model(services, name):
    assert find_model(services.catalog, name).name == "toy"


@pytest.mark.parametrize("more_models", ["  - {name: big, path: toy.safetensors, family: sdxl, aliases: [dall-e-3]}\n"])
def test_alias_of_the_operator_goes_before(services):
    assert find_model(services.catalog, "dall-e-3").name == "big"
    assert find_model(services.catalog, "dall-e-2").name == "toy"


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-image-", "my-dall-e-3", "ink2"])
def test_other_names_that_nobody_has_are_refused(services, name):
    with pytest.raises(UnknownModelError):
        find_model(services.catalog, name)


async def test_name_of_openai_shows_the_model_that_it_means(client):
    assert (await client.get("/v1/models/dall-e-3")).json()["id"] == "toy"
