import io

import numpy as np
import pytest
from PIL import Image

from server.api.dialects.forms import Form
from server.api.dialects.ideogram.masks import stored_mask
from server.tasks.input_images import Upload
from server.tasks.submission import InvalidParamsError

PICTURE = Upload("file-" + "0" * 32, 96, 64)
BOX = (8, 16, 40, 48)


@pytest.fixture
def levels(services):
    """Stores a mask, and returns the levels of what was stored."""

    async def stored(mask: bytes) -> np.ndarray:
        upload = await stored_mask(services, "red", Form(files={"mask": [mask]}), PICTURE)
        data = await services.uploads.get("red", upload.id)
        return np.asarray(Image.open(io.BytesIO(data)).convert("L"))

    return stored


@pytest.mark.parametrize(
    "look",
    [
        {},
        {"mode": "L", "colour": 255, "ink": 0},
        {"mode": "RGBA", "colour": (255, 255, 255, 255), "ink": (0, 0, 0, 255)},
        {"mode": "RGBA", "colour": (0, 0, 0, 0), "ink": (0, 0, 0, 255)},
        {"kind": "JPEG"},
    ],
)
async def test_black_is_what_is_painted(levels, draw, look):
    found = await levels(draw(box=BOX, **look))
    expected = np.zeros((64, 96), np.uint8)
    expected[16:48, 8:40] = 255
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    ("look", "words"),
    [
        ({"size": (64, 96)}, "same size"),
        ({}, "all white"),
        ({"colour": "black"}, "all black"),
        ({"colour": (128, 128, 128), "box": BOX}, "neither black nor white"),
        ({"box": BOX, "ink": (255, 0, 0)}, "neither black nor white"),
        ({"mode": "RGBA", "colour": (0, 0, 0, 0)}, "all white"),
    ],
)
async def test_wrong_mask_is_refused_with_a_sentence(levels, draw, look, words):
    with pytest.raises(InvalidParamsError, match=words) as caught:
        await levels(draw(**look))
    assert caught.value.field == "mask"
