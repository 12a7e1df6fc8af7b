"""The child process that decodes image files: `python -m server.images.decoder_main`. It ends when its parent does.

A request on stdin is REQUEST and the file. A reply on stdout is a line of JSON: `{"shape": […]}` before the pixels,
or `{"error": "…"}`. Nothing is pickled: a hostile file that takes over this process gets no code into its parent.
"""

from __future__ import annotations

import json
import resource
import signal
import struct
import sys
from pathlib import Path

from server.images.codec import BadImageError, decode

REQUEST = struct.Struct("<QQQ")
"""Bytes of the file, the most pixels it may have, and the bytes of memory that decoding it may take."""

CPU_S = 30
"""The largest photos take about two seconds."""


def serve() -> None:
    # Ctrl-C in a terminal and the stop of a service reach all processes; the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    import numpy  # noqa: F401  # before the limit is taken from the size of this process

    idle_bytes = _address_space()
    while header := requests.read(REQUEST.size):
        size, max_pixels, memory = REQUEST.unpack(header)
        _limit(idle_bytes + memory)
        try:
            pixels = decode(requests.read(size), max_pixels)
        except BadImageError as error:
            replies.write(json.dumps({"error": str(error)}).encode() + b"\n")
        else:
            replies.write(json.dumps({"shape": pixels.shape}).encode() + b"\n")
            replies.write(pixels.data)
            del pixels
        replies.flush()


def _address_space() -> int:
    """In bytes. 0 where the system does not tell; it has no such limit either."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[0]) * resource.getpagesize() if statm.exists() else 0


def _limit(address_space: int) -> None:
    if sys.platform == "linux":
        _set_limit(resource.RLIMIT_AS, address_space)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _set_limit(resource.RLIMIT_CPU, int(usage.ru_utime + usage.ru_stime) + CPU_S)


def _set_limit(kind: int, value: int) -> None:
    """Up to the hard limit, which only root may raise."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


if __name__ == "__main__":
    serve()
