"""This machine: its device, memory, disk and port, and the secrets it was given."""

from __future__ import annotations

import importlib.util
import math
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from server.commands.bench import environment
from server.commands.bench.environment import DeviceError
from server.commands.preflight.finding import Finding
from server.settings import Settings, SettingsError
from server.tenancy.policy import read_policies
from server.tenancy.tenants import Tenants, keys_from_settings

GIB = 1 << 30
PROCESS_BYTES = 4 * GIB
"""What torch, its libraries and a worker take beside models."""
TIGHT_BYTES, FULL_BYTES = 10 * GIB, GIB
SHORTEST_SECRET = 16
CGROUP = Path("/sys/fs/cgroup")


def check_device(settings: Settings) -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        yield Finding("device", "skipped", "torch is not installed here; api and controller need none")
        return
    try:
        facts = environment.of_device(settings, settings.device)
    except DeviceError as error:
        advice = (
            "see that nvidia-smi lists it, that its driver is new enough for this torch, and that HUA_DEVICE names it"
        )
        yield Finding("device", "fail", str(error), advice)
        return
    if facts["device"] == "cpu":
        advice = "" if settings.device == "cpu" else "on a machine with a GPU: install its driver, and give it to us"
        yield Finding("device", "warn", "no GPU: tasks would run on the processor, hundreds of times slower", advice)
        return
    said = (
        f"{facts['name']}, {facts['memory_gib']} GiB, compute capability {facts['capability']}, {facts['gpus']} in all"
    )
    yield Finding("device", "ok", said)
    driver = environment.of_driver()
    if driver:
        yield Finding("driver", "ok", f"{driver['driver_version']}, CUDA {facts['cuda']} of torch runs on it")
    else:
        yield Finding("driver", "warn", "nvidia-smi does not answer", "allow the `utility` capability of the runtime")


def check_memory(settings: Settings) -> Iterator[Finding]:
    free: float = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with open("/proc/meminfo", encoding="ascii") as lines:  # noqa: PTH123 - no file of ours
        for line in lines:
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    free = min(free, _limit())
    wanted = int(settings.host_memory) + PROCESS_BYTES
    said = f"{free / GIB:.1f} GiB free; a worker may take {wanted / GIB:.1f} (HUA_HOST_MEMORY and its processes)"
    if free < wanted:
        yield Finding("memory", "warn", said, "lower HUA_HOST_MEMORY, or give a worker more memory")
    else:
        yield Finding("memory", "ok", said)


def _limit() -> float:
    """Bytes that our container may have (cgroup v2). What it has taken is no measure: by and by, files fill it."""
    try:
        most = (CGROUP / "memory.max").read_text().strip()
    except OSError:
        return math.inf
    return math.inf if most == "max" else int(most)


def check_data_dir(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"may we write?")
    except OSError as error:
        advice = "give its owner's rights to the user that runs Hua, or set HUA_DATA_DIR"
        yield Finding("data folder", "fail", f"{folder} cannot be written ({error.strerror})", advice)
        return
    free = shutil.disk_usage(folder).free
    said, local = f"{folder}: {free / GIB:.1f} GiB free", settings.broker == "sqlite://" or settings.bucket == "file://"
    if local and free < TIGHT_BYTES:
        advice = "logs or images are kept there: give it a larger disk"
        yield Finding("data folder", "fail" if free < FULL_BYTES else "warn", said, advice)
    else:
        yield Finding("data folder", "ok", said)


def check_port(settings: Settings) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    where = f"{settings.host} port {settings.port}"
    try:
        with socket.create_server((settings.host, settings.port), family=family):
            yield Finding("port", "ok", f"{where} is free")
    except OSError as error:
        advice = "if that is no Hua that runs already, stop it, or set HUA_HOST or HUA_PORT"
        yield Finding("port", "warn", f"{where} cannot be listened on ({error.strerror})", advice)


def check_secret(settings: Settings) -> Iterator[Finding]:
    if not settings.secret and settings.queue != "memory://":
        advice = "set the same HUA_SECRET everywhere, e.g. of `openssl rand -hex 32`"
        yield Finding(
            "secret", "warn", "HUA_SECRET is not set: each data folder makes its own, and links differ", advice
        )
    elif settings.secret and len(settings.secret) < SHORTEST_SECRET:
        said = f"HUA_SECRET has {len(settings.secret)} characters and can be guessed"
        yield Finding("secret", "fail", said, f"make one of {SHORTEST_SECRET} or more: openssl rand -hex 32")
    else:
        yield Finding("secret", "ok", "given" if settings.secret else "made at the first start, in the data folder")


def check_tenants(settings: Settings) -> Iterator[Finding]:
    try:
        Tenants(settings).check()
        keys = [key for _, key in keys_from_settings(settings.api_keys)]
        terms = read_policies(settings.tenants) if settings.tenants is not None else {}
    except SettingsError as error:
        yield Finding("tenants", "fail", str(error), "correct the file, or the setting")
        return
    keys += [key for each in terms.values() for key in each.keys]
    if not keys:
        said = "no keys: whoever can connect is the tenant anonymous"
        advice = "" if settings.loopback else "make keys: hua keys new TENANT"
        yield Finding("tenants", "ok" if settings.loopback else "warn", said, advice)
        return
    expired = sum(key.expires is not None and key.expires <= datetime.now(UTC) for key in keys)
    said = f"{len(terms)} tenants in the file, {len(keys)} keys"
    if expired == len(keys):
        yield Finding("tenants", "fail", f"{said}, all of them expired", "make new ones: hua keys new TENANT")
    else:
        yield Finding("tenants", "ok", said + (f", {expired} of them expired" if expired else ""))
