"""Decoding in child processes."""

import asyncio
import io
import os
import resource
import signal

import numpy as np
import pytest
from PIL import Image

from server.images.codec import BadImageError
from server.images.decoder import Decoder, DecoderDiedError, DecoderProcess
from tests.support.pictures import random_pixels

MAX_PIXELS = 4096 * 4096
PIXELS = random_pixels(24, 32)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def decoder():
    """One child, which may take 32 MiB for an image."""
    decoder = Decoder(processes=1, bytes_per_pixel=0, more_bytes=32 << 20)
    yield decoder
    decoder.close()


@pytest.fixture
def child():
    child = DecoderProcess(bytes_per_pixel=0, more_bytes=32 << 20)
    yield child
    child.close()


async def test_bad_image_is_refused_and_the_child_goes_on(child):
    pid = child.pid
    with pytest.raises(BadImageError, match="not a PNG"):
        child.decode(b"hello", MAX_PIXELS)
    assert np.array_equal(child.decode(png(PIXELS), MAX_PIXELS), PIXELS)
    assert (child.pid, child.alive) == (pid, True)


async def test_image_that_takes_too_much_memory_fails_alone(decoder):
    huge, small = png(np.zeros((4096, 4096, 3), np.uint8)), png(PIXELS)
    answers = await asyncio.gather(
        *(decoder.decode(data, MAX_PIXELS) for data in (small, huge, small)), return_exceptions=True
    )
    assert isinstance(answers[1], BadImageError)
    assert "too much memory" in str(answers[1])
    assert np.array_equal(answers[0], PIXELS)
    assert np.array_equal(answers[2], PIXELS)


async def test_child_that_is_killed_while_it_decodes_is_noticed(child):
    os.kill(child.pid, signal.SIGSTOP)
    decoding = asyncio.create_task(asyncio.to_thread(child.decode, png(PIXELS), MAX_PIXELS))
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(DecoderDiedError):
        await decoding
    assert not child.alive


async def test_killed_child_is_replaced_and_its_image_decoded(decoder):
    await decoder.decode(png(PIXELS), MAX_PIXELS)
    (pid,) = decoder.pids
    os.kill(pid, signal.SIGKILL)
    assert np.array_equal(await decoder.decode(png(PIXELS), MAX_PIXELS), PIXELS)
    assert decoder.pids != (pid,)


async def test_images_of_the_most_pixels_fit_into_the_limit():
    decoder = Decoder(processes=1, more_bytes=64 << 20)
    try:
        for mode, file_format in (("RGB", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("RGBA", "WEBP")):
            file = io.BytesIO()
            Image.new(mode, (2000, 2000)).save(file, file_format)
            assert (await decoder.decode(file.getvalue(), 2000 * 2000)).shape[:2] == (2000, 2000)
    finally:
        decoder.close()


async def test_pixels_arrive_as_they_are(decoder):
    for pixels in (PIXELS, random_pixels(24, 32, 4)):
        assert np.array_equal(await decoder.decode(png(pixels), MAX_PIXELS), pixels)


async def test_children_killed_while_idle_are_no_fault_of_the_next_image():
    decoder = Decoder(processes=2)
    try:
        await asyncio.gather(*(decoder.decode(png(PIXELS), MAX_PIXELS) for _ in range(2)))
        assert len(decoder.pids) == 2
        for pid in decoder.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert np.array_equal(await decoder.decode(png(PIXELS), MAX_PIXELS), PIXELS)
    finally:
        decoder.close()


def test_stop_of_the_service_leaves_a_child_to_its_parent(child):
    child.decode(png(PIXELS), MAX_PIXELS)
    os.kill(child.pid, signal.SIGTERM)
    assert np.array_equal(child.decode(png(PIXELS), MAX_PIXELS), PIXELS)


def test_hard_limits_of_the_system_stay(child):
    for kind, hard in ((resource.RLIMIT_AS, 1 << 40), (resource.RLIMIT_CPU, 3600)):
        resource.prlimit(child.pid, kind, (hard, hard))
        assert np.array_equal(child.decode(png(PIXELS), MAX_PIXELS), PIXELS)
        assert resource.prlimit(child.pid, kind)[1] == hard


def test_pipes_may_keep_their_size(monkeypatch):
    monkeypatch.setattr("server.images.decoder.PIPE_BYTES", 1 << 30)  # more than a user may have
    child = DecoderProcess(bytes_per_pixel=0, more_bytes=32 << 20)
    try:
        assert np.array_equal(child.decode(png(PIXELS), MAX_PIXELS), PIXELS)
    finally:
        child.close()
