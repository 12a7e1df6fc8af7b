from pathlib import Path

from server.commands.preflight.tools import check_tools
from server.settings import Settings


def test_broken_tools_are_told(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("id: bad\n")
    (finding,) = check_tools(Settings(tools_dir=tmp_path))
    assert (finding.result, "bad.yaml, line 1" in finding.message) == ("warn", True)
    (tmp_path / "bad.yaml").unlink()
    (finding,) = check_tools(Settings(tools_dir=tmp_path))
    assert (finding.result, "line-art" in finding.message) == ("ok", True)


def test_nothing_is_found_without_a_folder() -> None:
    assert list(check_tools(Settings())) == []
