from __future__ import annotations

import pytest

from models.kinds import FAMILIES


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ip-adapter-plus-face_sd15", "face"),
        ("ip-adapter-plus-face_sdxl_vit-h", "face"),
        ("ip-adapter-full-face_sd15", "face"),
        ("ip-adapter-plus_sd15", None),
        ("ip-adapter_sdxl", None),
    ],
)
def test_adapters_for_faces_have_a_hint(name: str, hint: str | None) -> None:
    assert FAMILIES["ip_adapter"].guess(name).get("hint") == hint
