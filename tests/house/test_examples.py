"""The examples of docs/tasks.md, run as they stand there."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"
UPLOAD, *EXAMPLES = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.search(r'"type": "(.*?)"', example)[1])
def test_an_example_of_the_docs_succeeds(house, example: str, tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "picture.png")
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).resize((64, 64), 0).save(tmp_path / "mask.png")
    script = (UPLOAD + example).replace("127.0.0.1:8000", f"127.0.0.1:{house.port}")
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    view = json.loads(done.stdout)
    assert view["status"] == "succeeded", view
    assert view["answer"] or house.http.get(view["images"][0]["url"]).status_code == 200
