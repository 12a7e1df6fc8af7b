"""The points of crashes fit the code: they name private functions, which nothing else keeps."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_point_is_installed(tmp_path: Path) -> None:
    """In a process of its own, because the points replace functions of the server."""
    code = "import sys; from pathlib import Path; from tests.chaos import crash; crash.install(Path(sys.argv[1]))"
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
