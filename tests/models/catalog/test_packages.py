from pathlib import Path

import pytest

from models import catalog
from models.catalog import packages
from models.catalog.packages import ModelPackage, installed_packages
from models.kinds.kind import ModelRef
from models.kinds.upscaler import UPSCALER
from tests.support import model_files as files
from tests.support.models_yaml import write_entries
from tests.support.ncnn_files import compact_weights, write_compact


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models of an installed package."""
    folder = tmp_path / "site-packages" / "bringer" / "weights"
    for stem in ("big", "drawings"):
        write_compact(folder / f"{stem}.param", compact_weights())
    (folder.parent / "__init__.py").write_text("raise ImportError('this package must not be imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    bringer = ModelPackage(
        "bringer", "weights", "BSD-3-Clause", {"big": "Big"}, {"big": "esr", "drawings": "esr_anime"}
    )
    monkeypatch.setattr(packages, "PACKAGES", (bringer, ModelPackage("not_installed", "weights", "MIT", {})))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files.write_model(tmp_path / "models" / "toy-esrgan.safetensors", files.ESRGAN)
    files.write_model(tmp_path / "models" / "dream.safetensors", files.SD1)
    write_entries(tmp_path / "models", "{name: toy-esrgan, aliases: [esr, esr_anime, ultrasharp]}")
    return tmp_path / "models"


def test_packages_are_found_without_importing_them(package: Path) -> None:
    assert list(installed_packages()) == [package]
    (package / "empty").mkdir()
    [big, drawings] = catalog.read(package / "empty")
    assert (big.name, big.title, big.licence, big.aliases) == ("big", "Big", "BSD-3-Clause", ("esr",))
    assert (drawings.name, drawings.title, drawings.licence) == ("drawings", "", "BSD-3-Clause")


def test_default_upscaler_is_the_real_one_instead_of_the_toy(
    folder: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = catalog.read(folder)
    assert models.problems == ()
    names = {name: models.find(name).name for name in ("esr", "esr_anime", "ultrasharp")}
    assert names == {"esr": "big", "esr_anime": "drawings", "ultrasharp": "toy-esrgan"}
    monkeypatch.setattr(packages, "PACKAGES", ())
    assert catalog.read(folder).find("esr").name == "toy-esrgan"


def test_own_upscaler_goes_before_that_of_a_package(folder: Path, package: Path) -> None:
    files.write_model(folder / "own.safetensors", files.ESRGAN)
    write_entries(folder, "{name: toy-esrgan, aliases: [esr_anime]}", "{name: own, aliases: [x4]}")
    models = catalog.read(folder)
    assert models.problems == ()
    assert models.find("big").aliases == models.find("toy-esrgan").aliases == ()
    for name in ("esr", "esr_anime"):
        assert models.find(ModelRef(UPSCALER, name)).name == "own"


def test_list_of_the_operator_is_about_packages_too(folder: Path, package: Path) -> None:
    write_entries(
        folder, "{name: big, aliases: [photo]}", "{name: drawings, hidden: true}", "{name: dream, aliases: [esr]}"
    )
    models = catalog.read(folder)
    assert models.problems == ()
    assert (models.find("photo").name, models.find("photo").licence) == ("big", "BSD-3-Clause")
    assert models.find("esr").name == "dream"
    assert models.find(ModelRef(UPSCALER, "esr_anime")).name == "big"
