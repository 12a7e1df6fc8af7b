"""Faces: detectors find them in an image, restorers repair them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.files.vision_keys import detector_fields, restorer_fields
from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import FileOrOnnx, SingleFile

if TYPE_CHECKING:
    from models.vision.face_detector import FaceDetector
    from models.vision.face_restorer import FaceRestorer

FACE: ModelKind[FaceDetector] = ModelKind(
    "face detector",
    "find faces",
    named_by_callers=True,
    default_names=frozenset({"face"}),
    advice="ask the operator for a model of family face (hua models convert-face)",
)
DETECTOR = ModelFamily(
    name="face",
    kind=FACE,
    loader="models.vision.face_detector:load",
    layout=FileOrOnnx(),
    recognise=detector_fields,
)
FACE_FIX: ModelKind[FaceRestorer] = ModelKind(
    "face restorer",
    "restore faces",
    named_by_callers=True,
    default_names=frozenset({"face_fix"}),
    advice="send method repaint, which needs none",
)
RESTORER = ModelFamily(
    name="face_fix",
    kind=FACE_FIX,
    loader="models.vision.face_restorer:load",
    layout=SingleFile(),
    recognise=restorer_fields,
)
