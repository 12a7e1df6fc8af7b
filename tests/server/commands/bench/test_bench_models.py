from pathlib import Path

import pytest

from models import catalog
from server.commands.bench.bench_models import write_models
from server.settings import Settings, SettingsError

MODELS = """
models:
  - {name: dream, path: dream.safetensors, family: sd1, clip_skip: 1, aliases: [art], inpainting: dream-fill}
  - {name: dream-fill, path: dream.safetensors, family: sd1}
  - {name: sketch, path: dream.safetensors, family: controlnet, for: sdxl, hint: canny}
  - {name: edges, path: dream.safetensors, family: controlnet, for: sd1, hint: canny}
  - {name: esr, path: dream.safetensors, family: upscaler}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "dream.safetensors").write_bytes(b"weights")
    (tmp_path / "models.yaml").write_text(MODELS)
    return Settings(data_dir=tmp_path / "data", models_dir=tmp_path)


def test_write_models_adds_models_that_fit(settings: Settings, tmp_path: Path) -> None:
    models = catalog.read(write_models(tmp_path / "run", "installed", "art", settings, "cpu"))
    assert [(entry.name, entry.base) for entry in models] == [
        ("main", None),
        ("canny", "sd1"),
        ("upscaler", None),
        ("other", None),
    ]
    assert models.default.name == "main"
    assert models.find("other").clip_skip == models.find("main").clip_skip == 1


@pytest.mark.parametrize(
    ("model", "message"),
    [("esr", "--model esr is of family upscaler, which generates no images"), ("dreem", "--model: .*dream")],
)
def test_write_models_refuses_other_families(settings: Settings, tmp_path: Path, model: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        write_models(tmp_path / "run", "installed", model, settings, "cpu")
