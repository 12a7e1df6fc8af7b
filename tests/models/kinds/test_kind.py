import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import pytest

from models.kinds import CHECKPOINT_FAMILIES, FAMILIES, DuplicateFamilyError, families_in, families_of
from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import ModelRef


def test_families_are_those_of_models_yaml() -> None:
    assert {"sd1", "sd2", "sdxl"} == CHECKPOINT_FAMILIES
    assert families_of(CONTROLNET) == {"controlnet"}
    assert FAMILIES.keys() - CHECKPOINT_FAMILIES == {
        "annotator",
        "captioner",
        "controlnet",
        "decoder",
        "embedding",
        "enhancer",
        "face",
        "face_fix",
        "font",
        "ip_adapter",
        "lama",
        "lora",
        "matting",
        "safety",
        "translator",
        "upscaler",
        "vae",
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_loader_of_each_family_can_be_imported(name: str) -> None:
    assert callable(FAMILIES[name].import_loader())


def test_declarations_import_no_torch() -> None:
    code = "import sys, models.kinds; print('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"


def test_second_declaration_of_a_family_is_refused() -> None:
    one, two = ModuleType("one"), ModuleType("two")
    one.FAMILY = FAMILIES["lora"]  # type: ignore[attr-defined]
    two.FAMILY = replace(FAMILIES["lora"])  # type: ignore[attr-defined]
    assert families_in([one, one]) == {"lora": FAMILIES["lora"]}
    with pytest.raises(DuplicateFamilyError, match="two declares family 'lora' a second time"):
        families_in([one, two])


def test_equal_references_are_one_key() -> None:
    refs = [ModelRef(CONTROLNET, "canny", base="toy"), ModelRef(CONTROLNET, "canny", base="toy")]
    assert len(set(refs)) == 1
    assert ModelRef(CONTROLNET, "canny") not in refs
