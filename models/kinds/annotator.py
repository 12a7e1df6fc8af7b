"""Annotators draw a control map of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.files.annotator_keys import annotator_fields
from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import FolderOrFile

if TYPE_CHECKING:
    from models.vision.annotators import Annotator

ANNOTATOR: ModelKind[Annotator] = ModelKind(
    "annotator", "draw a control map", advice="send a finished map with bypass_annotator"
)
FAMILY = ModelFamily(
    name="annotator",
    kind=ANNOTATOR,
    loader="models.vision.annotators:load",
    layout=FolderOrFile(),
    recognise=annotator_fields,
    required={"hint": "an annotator draws maps of one kind; say which, such as `hint: depth`"},
)
