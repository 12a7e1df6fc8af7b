"""The environment of a measurement: device, driver, clocks, power, processor, versions."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from server.settings import Settings
from server.worker.device_process import torch_environment

PACKAGES = ("hua", "torch", "triton", "diffusers", "transformers", "numpy", "pillow", "isal")
SAMPLED = ("clocks.sm", "clocks.mem", "power.draw", "temperature.gpu", "utilization.gpu")
UNITS = {"clocks.sm": "MHz", "clocks.mem": "MHz", "power.draw": "W", "temperature.gpu": "°C", "utilization.gpu": "%"}
STATIC = ("driver_version", "memory.total", "power.limit", "clocks.max.sm", "persistence_mode", "pstate")
SMI = "nvidia-smi"
EVERY_MS = 500
TORCH_TIMEOUT_S, SMI_TIMEOUT_S = 300, 30
"""A driver whose card has failed may never answer."""

TORCH_FACTS = """
import json, sys, torch
name = sys.argv[1]
if name == "auto":
    name = "cuda:0" if torch.cuda.is_available() else "cpu"
torch.ones(8, 8, device=name).matmul(torch.ones(8, 8, device=name)).sum().item()  # fails without kernels for it
facts = {"device": name, "torch_threads": torch.get_num_threads(), "cuda": torch.version.cuda, "gpus": 0}
if name.startswith("cuda"):
    chosen = torch.cuda.get_device_properties(torch.device(name))
    facts |= {"name": chosen.name, "capability": f"{chosen.major}.{chosen.minor}", "gpus": torch.cuda.device_count()}
    facts |= {"memory_gib": round(chosen.total_memory / 2**30, 1), "processors": chosen.multi_processor_count}
    facts |= {"cudnn": torch.backends.cudnn.version()}
else:
    facts |= {"name": "CPU", "capability": ""}
print(json.dumps(facts))
"""

Facts = dict[str, object]


class DeviceError(Exception):
    """The device does not exist, or torch cannot be imported; the message says which."""


def read_device(settings: Settings, device: str) -> Facts:
    """What torch reports about a device, from a separate process. Raises DeviceError."""
    command = [sys.executable, "-c", TORCH_FACTS, device]
    try:
        done = subprocess.run(
            command,
            env=torch_environment(settings),
            capture_output=True,
            text=True,
            check=False,
            timeout=TORCH_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(f"the driver of {device} has not answered torch for {TORCH_TIMEOUT_S} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no error message"])[-1]
        raise DeviceError(f"torch cannot use the device {device}: {last}")
    facts: Facts = json.loads(done.stdout)
    return facts


def read_machine() -> Facts:
    """Processor, memory, system, versions and load of this machine."""
    facts: Facts = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib_host": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", ""),
    }
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            facts[package] = importlib.metadata.version(package)
    return facts


def read_driver() -> Facts:
    """What nvidia-smi reports about the first GPU; empty without one."""
    rows = _query(STATIC)
    return dict(zip(STATIC, rows[0], strict=False)) if rows else {}


@contextlib.contextmanager
def record_load(facts: Facts) -> Iterator[None]:
    """Samples nvidia-smi during the block, and adds the medians of clocks, power and load to the facts."""
    command = [SMI, f"--query-gpu={','.join(SAMPLED)}", "--format=csv,noheader,nounits", f"--loop-ms={EVERY_MS}"]
    try:
        sampler = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        sampler.terminate()
        lines, _ = sampler.communicate()
        facts |= {f"{name}, {UNITS[name]}, median": value for name, value in _medians(lines).items()}


def _medians(lines: str) -> Mapping[str, float]:
    rows = [[_number(cell) for cell in line.split(",")] for line in lines.splitlines()]
    columns = zip(*(row for row in rows if len(row) == len(SAMPLED)), strict=True)
    values_by_name = {
        name: [value for value in column if value is not None] for name, column in zip(SAMPLED, columns, strict=False)
    }
    return {name: median(values) for name, values in values_by_name.items() if values}


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _query(names: Sequence[str]) -> list[list[str]]:
    command = [SMI, f"--query-gpu={','.join(names)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SMI_TIMEOUT_S)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return []
    return [[cell.strip() for cell in line.split(",")] for line in done.stdout.splitlines()]


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
