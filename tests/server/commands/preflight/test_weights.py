import hashlib
import subprocess
from pathlib import Path

import pytest

from server.commands.preflight.weights import check_models
from server.settings import Settings

MODELS = "models: [{name: toy, path: toy.safetensors, family: sd1}]"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "toy.safetensors").write_bytes(b"weights")
    (tmp_path / "models.yaml").write_text(MODELS)
    return Settings(data_dir=tmp_path / "data", models_dir=tmp_path)


def test_check_models_verifies_checksums(settings: Settings, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()
    assert [finding.result for finding in check_models(settings)] == ["ok", "skipped"]
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  toy.safetensors\n{digest} *./toy.safetensors\n")
    assert [finding.result for finding in check_models(settings)] == ["ok", "ok"]
    (tmp_path / "toy.safetensors").write_bytes(b"weighty")
    *_, wrong = check_models(settings)
    assert (wrong.result, "toy.safetensors has changed" in wrong.message) == ("fail", True)
    assert [finding.result for finding in check_models(settings, sums=False)] == ["ok", "skipped"]
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  gone.safetensors\n")
    *_, gone = check_models(settings)
    assert (gone.result, "gone.safetensors does not exist" in gone.message) == ("fail", True)


def test_advised_command_lists_every_file_but_the_list_itself(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "国风 V3.2.safetensors").write_bytes(b"weights")
    *_, skipped = check_models(settings)
    _, _, command = skipped.advice.partition(": ")
    subprocess.run(["bash", "-ec", command], check=True)
    *_, checked = check_models(settings)
    assert (checked.result, checked.message) == ("ok", "3 files have their checksums")


@pytest.mark.parametrize(("audit", "says"), [("toy", "is of family sd1"), ("gone", "there is no model 'gone'")])
def test_check_models_reports_an_unusable_audit_model(settings: Settings, audit: str, says: str) -> None:
    _, finding, _ = check_models(settings.model_copy(update={"audit": (audit,)}))
    assert (finding.check, finding.result) == ("audit", "fail")
    assert says in finding.message


def test_check_models_names_a_missing_model(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "toy.safetensors").unlink()
    finding, *_ = check_models(settings)
    assert finding.result == "fail"
    assert "model 'toy'" in finding.message
    assert "put the model there" in finding.message


def test_check_models_warns_if_toy_models_will_be_built(tmp_path: Path) -> None:
    [finding] = check_models(Settings(data_dir=tmp_path))
    assert (finding.result, "toy models" in finding.advice) == ("warn", True)


def test_check_models_verifies_every_folder(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(b'weights').hexdigest()}  toy.safetensors\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / "SHA256SUMS").write_text(f"{'0' * 64}  gone.safetensors\n")
    *_, gone = check_models(settings.model_copy(update={"models_dir": f"{tmp_path}:{other}"}))
    assert "gone.safetensors does not exist" in gone.message
