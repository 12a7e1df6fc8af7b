"""The kind of control map of a ControlNet, by the names under which they are published.

No weight tells which maps a ControlNet follows, so this is a guess, which an entry of `models.yaml` overrides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

HINTS: Mapping[str, str] = {
    **{hint: hint for hint in ("canny", "depth", "pose", "mlsd", "softedge", "lineart", "scribble", "tile", "normal")},
    **dict.fromkeys(("midas", "zoe", "zoedepth", "leres"), "depth"),
    **dict.fromkeys(("openpose", "dwpose", "dw"), "pose"),
    **dict.fromkeys(("hed", "pidi", "pidinet"), "softedge"),
    **dict.fromkeys(("qr", "qrcode"), "qr"),
    "brightness": "brightness",
    **dict.fromkeys(("normalbae", "bae", "normalmap"), "normal"),
}
"""The hints, by the words of names: `control_v11p_sd15_canny`, `controlnet-openpose-sdxl-1.0`."""


def guess_hint(name: str) -> str | None:
    """None if the name says nothing, or more than one thing."""
    hints = {HINTS[word] for word in re.split(r"[^a-z0-9]+", name.lower()) if word in HINTS}
    return hints.pop() if len(hints) == 1 else None
