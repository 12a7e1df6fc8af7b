"""ControlNets make images follow a control map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.files.adapter_keys import controlnet_fields
from models.files.hint_names import guess_hint
from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import FolderOrFile

if TYPE_CHECKING:
    from models.adapters.controlnet import ControlNet

CONTROLNET: ModelKind[ControlNet] = ModelKind("ControlNet", "follow a control map")


def _fields_of_name(name: str) -> Mapping[str, str]:
    hint = guess_hint(name)
    return {"hint": hint} if hint else {}


FAMILY = ModelFamily(
    name="controlnet",
    kind=CONTROLNET,
    loader="models.adapters.controlnet:load",
    layout=FolderOrFile(),
    recognise=controlnet_fields,
    guess=_fields_of_name,
    folder_classes=frozenset({"ControlNetModel"}),
    required={"base": "a ControlNet is for checkpoints of one family; say which, such as `for: sd1`"},
)
