"""Takes from this process what reading tensors does not need: the network, and more memory than the file explains."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
from pathlib import Path

from models.files.weights_error import WeightsError

_PLATFORMS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Of each machine: its AUDIT_ARCH of linux/audit.h, and the number of the system call `socket`."""
_IO_URING_SETUP = 425
"""It could open sockets, too. The number is the same on both machines."""
_X32 = 0x40000000
_SET_SECCOMP, _FILTER, _SET_NO_NEW_PRIVS = 22, 2, 38
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_NUMBER, _ARCHITECTURE = 0, 4
"""Offsets in `struct seccomp_data`."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def forbid_network() -> None:
    """From now on no thread that this one starts can open a socket. Raises WeightsError."""
    if platform.machine() not in _PLATFORMS:
        raise WeightsError(
            f"pickles cannot be read safely on {platform.machine()}; convert on Linux on x86-64 or ARM64"
        )
    architecture, socket = _PLATFORMS[platform.machine()]
    steps = (
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 3, 0, _X32),
        (_IF_EQUAL, 2, 0, socket),
        (_IF_EQUAL, 1, 0, _IO_URING_SETUP),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    )
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    program = _Program(len(steps), code)
    libc = ctypes.CDLL(None, use_errno=True)
    for call in ((_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*call):
            reason = os.strerror(ctypes.get_errno())
            raise WeightsError(f"the network cannot be switched off ({reason}); convert on another machine")


def limit_memory(more: int) -> None:
    """This process may use `more` bytes than it does now; libraries of a GPU alone take many GiB of addresses."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
