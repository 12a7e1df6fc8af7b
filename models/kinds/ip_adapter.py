"""IP-Adapters use an image as a prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.files.adapter_keys import ip_adapter_fields
from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import SingleFile

if TYPE_CHECKING:
    from models.adapters.ip_adapter import IPAdapter

IP_ADAPTER: ModelKind[IPAdapter] = ModelKind("IP-Adapter", "use an image as a prompt")
FACE_HINT = "face"
"""The hint of an IP-Adapter that was trained on faces alone."""


def _fields_of_name(name: str) -> Mapping[str, str]:
    """As the authors name theirs: `ip-adapter-plus-face_sd15`, `ip-adapter-full-face_sd15`."""
    return {"hint": FACE_HINT} if re.search(r"(plus|full)[-_]face", name.lower()) else {}


FAMILY = ModelFamily(
    name="ip_adapter",
    kind=IP_ADAPTER,
    loader="models.adapters.ip_adapter:load",
    layout=SingleFile(),
    recognise=ip_adapter_fields,
    guess=_fields_of_name,
    required={
        "base": "an IP-Adapter is for checkpoints of one family; say which, such as `for: sd1`",
        "encoder": "an IP-Adapter needs a CLIP vision encoder of its width, and the models folder has none; put it "
        "there, or say where it is, such as `encoder: clip-vit-h`",
    },
)
