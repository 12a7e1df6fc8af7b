import random
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.wheelhouse.tar_parts import SizeError, parse_size, write_parts


def test_parts_join_to_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    content = random.Random(0).randbytes(100_000)
    (folder / "a.whl").write_bytes(content)
    (folder / "b.whl").write_bytes(content[::-1])
    (tmp_path / "wheels.tar.099").write_text("of an earlier run")
    parts = write_parts(folder, 64 << 10)
    assert [part.name for part in parts] == [f"wheels.tar.{index:03}" for index in range(4)]
    assert [part.stat().st_size for part in parts[:3]] == [64 << 10] * 3
    assert not (tmp_path / "wheels.tar.099").exists()
    subprocess.run(["sha256sum", "--check", "--quiet", "wheels.tar.sha256"], cwd=tmp_path, check=True)
    shutil.rmtree(folder)
    subprocess.run("cat wheels.tar.0* | tar x", shell=True, cwd=tmp_path, check=True)
    assert (folder / "b.whl").read_bytes() == content[::-1]


@pytest.mark.parametrize(("text", "size"), [("2G", 2 << 30), ("700M", 700 << 20), ("64KiB", 64 << 10), ("4096", 4096)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["0", "2 T", "G", "-1G", "100"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SizeError, match="such as 2G"):
        parse_size(text)
