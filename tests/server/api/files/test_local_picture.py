from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.api.files.local_picture import MAX_BYTES, picture_response

PNG, JPEG, WEBP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBP"


def touch(file: Path, content: bytes = PNG) -> Path:
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(("content", "kind"), [(PNG, "image/png"), (JPEG, "image/jpeg"), (WEBP, "image/webp")])
def test_content_tells_the_type(tmp_path: Path, content: bytes, kind: str) -> None:
    response = picture_response(touch(tmp_path / "x.png", content), None)
    assert response is not None
    assert response.headers["Content-Type"] == kind


def test_other_files_are_no_pictures(tmp_path: Path) -> None:
    assert picture_response(touch(tmp_path / "x.png", b"<svg>"), None) is None
    assert picture_response(touch(tmp_path / "y.png", PNG + bytes(MAX_BYTES)), None) is None
    assert picture_response(tmp_path / "none.png", None) is None
    os.mkfifo(tmp_path / "pipe.png")
    assert picture_response(tmp_path / "pipe.png", None) is None


def test_picture_that_a_client_has_is_not_sent_again(tmp_path: Path) -> None:
    picture = touch(tmp_path / "x.png")
    first = picture_response(picture, None)
    assert first is not None
    again = picture_response(picture, first.headers["ETag"])
    assert again is not None
    assert (first.status_code, again.status_code) == (200, 304)
