"""Decodes image files in child processes with limits, so that a hostile file ends its child at most."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, cast

from server.images.codec import BadImageError
from server.images.decoder_main import REQUEST

if TYPE_CHECKING:
    import numpy as np  # at run time in functions only: the API only measures images

log = logging.getLogger(__name__)
PROCESSES = 2
"""So many images are decoded at once, which bounds the memory that decoding takes."""

TRIES = 2
"""A child may also be killed for another's memory; its image is tried once more."""

BYTES_PER_PIXEL, MORE_BYTES = 32, 256 << 20
"""The memory limit of a child. A WebP with transparency takes most; small images need some memory, too."""

PIPE_BYTES = 1 << 20
"""So that an image of 512×512 needs no turns between the processes."""

MAX_REPLY_LINE = 4096


class DecoderDiedError(Exception):
    """The child ended before it had replied."""


class DecoderProcess:
    """One child. It decodes one image after another."""

    def __init__(self, bytes_per_pixel: int, more_bytes: int) -> None:
        self._bytes_per_pixel, self._more_bytes = bytes_per_pixel, more_bytes
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server.images.decoder_main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # One thread: each would reserve address space. Freed memory goes back to the system at once.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": str(1 << 20)},
        )
        self._requests, self._replies = cast(IO[bytes], self._process.stdin), cast(IO[bytes], self._process.stdout)
        for pipe in (self._requests, self._replies):
            _enlarge(pipe)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def decode(self, data: bytes, max_pixels: int) -> np.ndarray:
        """As `codec.decode`. Raises BadImageError, DecoderDiedError."""
        memory = max_pixels * self._bytes_per_pixel + len(data) + self._more_bytes
        try:
            self._requests.write(REQUEST.pack(len(data), max_pixels, memory))
            self._requests.write(data)
            self._requests.flush()
            return _read_reply(self._replies, max_pixels)
        except BadImageError:
            raise
        except BaseException as error:  # the rest of a reply would be taken for the next one
            self.close()
            if isinstance(error, OSError | EOFError | ValueError):
                raise DecoderDiedError(f"the decoder ended with {self._process.returncode}") from error
            raise

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class Decoder:
    """A pool of children, which start when they are needed. May be used from any event loop."""

    def __init__(
        self, processes: int = PROCESSES, bytes_per_pixel: int = BYTES_PER_PIXEL, more_bytes: int = MORE_BYTES
    ) -> None:
        self._threads = ThreadPoolExecutor(processes, "decode")
        self._idle: deque[DecoderProcess] = deque()
        self._limits = bytes_per_pixel, more_bytes

    @property
    def pids(self) -> tuple[int, ...]:
        """The children that have nothing to do."""
        return tuple(child.pid for child in self._idle)

    async def decode(self, data: bytes, max_pixels: int) -> np.ndarray:
        """As `codec.decode`. Raises BadImageError."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._decode, data, max_pixels)

    def close(self) -> None:
        """Waits for images that are being decoded."""
        self._threads.shutdown()
        while self._idle:
            self._idle.pop().close()

    def _decode(self, data: bytes, max_pixels: int) -> np.ndarray:
        for _ in range(TRIES):
            child = self._child()
            try:
                return child.decode(data, max_pixels)
            except DecoderDiedError as error:
                log.warning("an image of %d bytes was not decoded: %s", len(data), error)
            finally:
                if child.alive:
                    self._idle.append(child)
        raise BadImageError("decoding this image takes too much memory or time; save it again with an image editor")

    def _child(self) -> DecoderProcess:
        with contextlib.suppress(IndexError):
            while True:
                child = self._idle.pop()
                if child.alive:
                    return child
                child.close()  # it was killed while it had nothing to do, which is no fault of the next image
        return DecoderProcess(*self._limits)


def _enlarge(pipe: IO[bytes]) -> None:
    """As far as the system lets this user: pipes of the usual size are only slower."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _read_reply(replies: IO[bytes], max_pixels: int) -> np.ndarray:
    """Raises BadImageError, and EOFError or ValueError if this is no reply."""
    import numpy as np

    line = replies.readline(MAX_REPLY_LINE)
    if not line.endswith(b"\n"):
        raise EOFError
    reply = json.loads(line)
    if "error" in reply:
        raise BadImageError(str(reply["error"]))
    height, width, channels = map(int, reply["shape"])
    if min(height, width) < 1 or height * width > max_pixels or channels not in (3, 4):
        raise ValueError(f"{reply} is no image")
    pixels = np.empty((height, width, channels), np.uint8)
    if replies.readinto(pixels.data.cast("B")) != pixels.nbytes:  # type: ignore[attr-defined]
        raise EOFError
    return pixels
