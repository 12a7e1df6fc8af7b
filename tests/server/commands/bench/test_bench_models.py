from pathlib import Path

import pytest

from models import catalog
from server.commands.bench.bench_models import stock
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


def test_an_installed_model_is_measured_with_what_goes_with_it(settings: Settings, tmp_path: Path) -> None:
    models = catalog.read(stock(tmp_path / "run", "installed", "art", settings, "cpu"))
    assert [(entry.name, entry.base) for entry in models] == [
        ("painter", None),
        ("canny", "sd1"),
        ("upscaler", None),
        ("other", None),
    ]
    assert models.default.name == "painter"
    assert models.find("other").clip_skip == models.find("painter").clip_skip == 1


@pytest.mark.parametrize(
    ("model", "says"),
    [("esr", "--model esr is of family upscaler, which does not paint"), ("dreem", "--model: .*dream")],
)
def test_what_does_not_paint_is_refused(settings: Settings, tmp_path: Path, model: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        stock(tmp_path / "run", "installed", model, settings, "cpu")
