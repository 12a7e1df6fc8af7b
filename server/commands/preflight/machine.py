"""This machine: device, memory, disk, port, secret and API keys."""

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
"""Memory of a worker besides models: torch and its libraries."""
LOW_DISK_BYTES, FULL_DISK_BYTES = 10 * GIB, GIB
SHORTEST_SECRET = 16
CGROUP = Path("/sys/fs/cgroup")


def check_device(settings: Settings) -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        yield Finding("device", "skipped", "torch is not installed here; api and controller do not need it")
        return
    try:
        facts = environment.read_device(settings, settings.device)
    except DeviceError as error:
        advice = (
            "check that nvidia-smi lists it, that its driver is new enough for this torch, and that HUA_DEVICE is right"
        )
        yield Finding("device", "fail", str(error), advice)
        return
    if facts["device"] == "cpu":
        advice = (
            ""
            if settings.device == "cpu"
            else "on a machine with a GPU: install its driver, and make it visible to this process"
        )
        yield Finding("device", "warn", "no GPU: tasks would run on the CPU, hundreds of times slower", advice)
        return
    message = (
        f"{facts['name']}, {facts['memory_gib']} GiB, compute capability {facts['capability']}, {facts['gpus']} GPUs"
    )
    yield Finding("device", "ok", message)
    driver = environment.read_driver()
    if driver:
        yield Finding("driver", "ok", f"{driver['driver_version']}, torch has CUDA {facts['cuda']}")
    else:
        yield Finding("driver", "warn", "nvidia-smi does not answer", "allow the `utility` capability of the runtime")


def check_memory(settings: Settings) -> Iterator[Finding]:
    free: float = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with open("/proc/meminfo", encoding="ascii") as lines:  # noqa: PTH123 - a kernel file
        for line in lines:
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    free = min(free, _limit())
    needed = int(settings.host_memory) + PROCESS_BYTES
    message = f"{free / GIB:.1f} GiB free; a worker may need {needed / GIB:.1f} (HUA_HOST_MEMORY and its processes)"
    if free < needed:
        yield Finding("memory", "warn", message, "lower HUA_HOST_MEMORY, or give a worker more memory")
    else:
        yield Finding("memory", "ok", message)


def _limit() -> float:
    """This container's memory limit in bytes (cgroup v2). Its usage says little, because it includes file cache."""
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
            file.write(b"test")
    except OSError as error:
        advice = "allow the user that runs Hua to write there, or set HUA_DATA_DIR"
        yield Finding("data folder", "fail", f"{folder} cannot be written ({error.strerror})", advice)
        return
    free = shutil.disk_usage(folder).free
    message, local = (
        f"{folder}: {free / GIB:.1f} GiB free",
        settings.broker == "sqlite://" or settings.bucket == "file://",
    )
    if local and free < LOW_DISK_BYTES:
        advice = "logs or images are stored there: use a larger disk"
        yield Finding("data folder", "fail" if free < FULL_DISK_BYTES else "warn", message, advice)
    else:
        yield Finding("data folder", "ok", message)


def check_port(settings: Settings) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    where = f"{settings.host} port {settings.port}"
    try:
        with socket.create_server((settings.host, settings.port), family=family):
            yield Finding("port", "ok", f"{where} is free")
    except OSError as error:
        advice = "if that is not a running Hua, stop it, or set HUA_HOST or HUA_PORT"
        yield Finding("port", "warn", f"{where} cannot be listened on ({error.strerror})", advice)


def check_secret(settings: Settings) -> Iterator[Finding]:
    if not settings.secret and settings.queue != "memory://":
        advice = "set the same HUA_SECRET for all roles, for example from `openssl rand -hex 32`"
        yield Finding(
            "secret",
            "warn",
            "HUA_SECRET is not set: each data folder has its own, so links of one role fail at another",
            advice,
        )
    elif settings.secret and len(settings.secret) < SHORTEST_SECRET:
        message = f"HUA_SECRET has {len(settings.secret)} characters and can be guessed"
        yield Finding("secret", "fail", message, f"use {SHORTEST_SECRET} characters or more: openssl rand -hex 32")
    else:
        yield Finding("secret", "ok", "set" if settings.secret else "created at the first start, in the data folder")


def check_tenants(settings: Settings) -> Iterator[Finding]:
    try:
        Tenants(settings).check()
        keys = [key for _, key in keys_from_settings(settings.api_keys)]
        policies = read_policies(settings.tenants) if settings.tenants is not None else {}
    except SettingsError as error:
        yield Finding("tenants", "fail", str(error), "correct the file, or the setting")
        return
    keys += [key for policy in policies.values() for key in policy.keys]
    if not keys:
        message = "no keys: every client is the tenant anonymous"
        advice = "" if settings.loopback else "create keys: hua keys new TENANT"
        yield Finding("tenants", "ok" if settings.loopback else "warn", message, advice)
        return
    expired = sum(key.expires is not None and key.expires <= datetime.now(UTC) for key in keys)
    message = f"{len(policies)} tenants in the file, {len(keys)} keys"
    if expired == len(keys):
        yield Finding("tenants", "fail", f"{message}, all of them expired", "create new ones: hua keys new TENANT")
    else:
        yield Finding("tenants", "ok", message + (f", {expired} of them expired" if expired else ""))
