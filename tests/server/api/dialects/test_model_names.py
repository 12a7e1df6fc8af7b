import pytest

from server.api.dialects.model_names import is_missing


@pytest.mark.parametrize("more_models", ["  - {name: gone, path: gone.safetensors, family: sd1}\n"])
@pytest.mark.parametrize(
    ("name", "missing"), [("toy", False), ("ART", False), ("", False), ("gone", False), ("dall-e-3", True)]
)
def test_only_a_name_that_nobody_has_is_missing(services, name, missing):
    """`gone` is listed, but its file does not exist."""
    assert is_missing(services.catalog, name) is missing
