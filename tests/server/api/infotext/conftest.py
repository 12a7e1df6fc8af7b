import io

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo


@pytest.fixture
def picture_with():
    """`picture_with(**texts)` is a PNG that has these texts."""

    def make(**texts: str) -> bytes:
        info, file = PngInfo(), io.BytesIO()
        for keyword, text in texts.items():
            info.add_itxt(keyword, text)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file, "PNG", pnginfo=info)
        return file.getvalue()

    return make


@pytest.fixture
def read(client):
    """`await read(text)` is what the server reads from a text."""

    async def send(text: str) -> dict:
        reply = await client.post("/v1/infotext", json={"text": text})
        assert reply.status_code == 200, reply.text
        return reply.json()

    return send
