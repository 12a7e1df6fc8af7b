"""The child that compiles: what it cannot do it says once, and it does not outlive what it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.compiled.forward_pass import ForwardPassSpec
from pipelines.engine.execution.compile_process import Compiler
from tests.support.tiny import make_inputs, tiny_unet


@pytest.fixture
def wanted() -> ForwardPassSpec:
    net = tiny_unet()
    return ForwardPassSpec.of(net, make_inputs(net))


def test_failed_compilation_is_logged_once(
    wanted: ForwardPassSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pipelines.engine.execution.compile_process.CHILD", "models.nowhere")
    compiler = Compiler(tmp_path / "packages")
    assert compiler.poll() is None
    compiler.enqueue(wanted)
    assert list(compiler.finish()) == [wanted]
    assert caplog.text.count("cannot be compiled, its steps run uncompiled: ") == 1
    assert "No module named models.nowhere" in caplog.text
    assert not compiler.package(wanted).exists()


def test_close_kills_the_child_process(wanted: ForwardPassSpec, tmp_path: Path) -> None:
    compiler = Compiler(tmp_path)
    compiler.enqueue(wanted)
    assert compiler.pid is not None
    process = Path(f"/proc/{compiler.pid}")
    assert process.exists()
    compiler.close()
    assert not process.exists()
    assert not compiler.package(wanted).exists()
    assert list(compiler.finish()) == []
