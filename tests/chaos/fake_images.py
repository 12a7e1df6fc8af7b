"""The images of the device without a GPU: a function of the parameters and the input image."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

SIDE = 8
"""Size of the input images."""


def picture(params: Mapping[str, Any], images: Mapping[str, np.ndarray]) -> np.ndarray:
    """The image for these params and inputs: uint8 [h, w, 3], the same on every device."""
    sources = " ".join(digest(images[name]) for name in sorted(images))
    asked = f"{params['text']} {params['seed']} {params['num_steps']} {sources}".encode()
    width, height = params["wh"] if "wh" in params else (params["w"], params["h"])
    return np.frombuffer(hashlib.shake_256(asked).digest(width * height * 3), np.uint8).reshape(height, width, 3)


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def sketch(number: int) -> str:
    """An input image as a data: URI; different for each number."""
    pixels = hashlib.shake_256(b"sketch %d" % number).digest(SIDE * SIDE * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (SIDE, SIDE), pixels).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def sent(params: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The input images of a request, by parameter: uint8 [h, w, 3]."""
    if "url" not in params:
        return {}
    data = base64.b64decode(params["url"].partition(",")[2])
    return {"url": np.asarray(Image.open(io.BytesIO(data)))}
