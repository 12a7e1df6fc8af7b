"""The CUDA devices of this machine, counted without torch: the parent of device processes must not import it.

`python -m server.worker.cuda_devices` prints their number. It asks the driver in a process of its own, which ends, so
that the parent holds nothing of the driver.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Mapping

TIMEOUT_S = 60
"""A driver that is not loaded yet takes seconds; one that hangs must not hang the start."""


def cuda_device_count() -> int:
    """How many devices the driver shows, which CUDA_VISIBLE_DEVICES may limit; 0 without a driver.

    Raises TimeoutError if the driver does not answer.
    """
    command = [sys.executable, "-m", "server.worker.cuda_devices"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"the CUDA driver has not answered for {TIMEOUT_S} s") from error
    return int(result.stdout) if result.returncode == 0 and result.stdout.strip().isdigit() else 0


def only_device(device: str, environment: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The name of a device in a process that sees no other one, and the environment that hides the others.

    A process that sees several has its current device per thread: the first one, on which every thread that forgets to
    choose would keep a context, some hundred megabytes, and libraries would run their nets.

    device: auto, cpu, cuda or cuda:N, where N counts what CUDA_VISIBLE_DEVICES shows: numbers, or UUIDs of GPUs or MIG
    instances.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return device, {}
    index, visible = int(number or 0), environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return "cuda:0", {"CUDA_VISIBLE_DEVICES": str(index)}
    names = [name.strip() for name in visible.split(",")]
    if index >= len(names):
        return device, {}  # torch says that there is none
    return "cuda:0", {"CUDA_VISIBLE_DEVICES": names[index]}


def main() -> None:
    print(_count())  # noqa: T201


def _count() -> int:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


if __name__ == "__main__":
    main()
