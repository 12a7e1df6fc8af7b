"""The machine that the wheels are for: which wheels it takes, and which requirements it has."""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

OLDEST_GLIBC = 5
"""Wheels name glibc 2.5 and newer."""
LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Older names of glibc 2.x, by x."""
NEWEST_PATCH = 99
EXAMPLES = "manylinux_2_28_x86_64, manylinux_2_28_aarch64, musllinux_1_2_x86_64, macosx_14_0_arm64 or win_amd64"


class TargetError(ValueError):
    """There is no such Python or platform; the message says how to write one."""


@dataclass(frozen=True, slots=True)
class Target:
    python: str
    """3.12, or 3.12.4 where the patch matters; without it the newest patch is assumed."""
    platform: str
    """As wheels write it: what the machine has, at least."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"3\.\d+(\.\d+)?", self.python):
            raise TargetError(f"PYTHON is {self.python!r}; write a version such as 3.12")
        self.platforms()

    @property
    def minor(self) -> str:
        """3.12 of 3.12.4."""
        return ".".join(self.python.split(".")[:2])

    def platforms(self) -> list[str]:
        """All platforms whose wheels run there, the most specific first. Raises TargetError."""
        if found := re.fullmatch(r"manylinux_2_(\d+)_(\w+)", self.platform):
            newest, machine = int(found[1]), found[2]
            names = []
            for minor in range(newest, OLDEST_GLIBC - 1, -1):
                names.append(f"manylinux_2_{minor}_{machine}")
                names += [f"{LEGACY[minor]}_{machine}"] if minor in LEGACY else []
            return [*names, f"linux_{machine}"]
        if found := re.fullmatch(r"musllinux_1_(\d+)_(\w+)", self.platform):
            return [f"musllinux_1_{minor}_{found[2]}" for minor in range(int(found[1]), -1, -1)]
        if found := re.fullmatch(r"macosx_(\d+)_(\d+)_(\w+)", self.platform):
            return list(mac_platforms((int(found[1]), int(found[2])), found[3]))
        if re.fullmatch(r"win_(amd64|arm64)", self.platform):
            return [self.platform]
        raise TargetError(f"PLATFORM is {self.platform!r}; write one such as {EXAMPLES}")

    def tags(self) -> list[Tag]:
        """The best first."""
        version, platforms = (3, int(self.minor.removeprefix("3."))), self.platforms()
        own = cpython_tags(version, abis=[f"cp3{version[1]}"], platforms=platforms)
        return [*own, *compatible_tags(version, f"cp3{version[1]}", platforms)]

    def environment(self) -> dict[str, str]:
        """What the markers of requirements are compared with."""
        full = self.python if self.python.count(".") == 2 else f"{self.python}.{NEWEST_PATCH}"
        is_windows, is_mac = self.platform.startswith("win"), self.platform.startswith("macosx")
        machine = self.platform.removeprefix("win_").upper() if is_windows else self._machine()
        return {
            "implementation_name": "cpython",
            "implementation_version": full,
            "os_name": "nt" if is_windows else "posix",
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Windows" if is_windows else "Darwin" if is_mac else "Linux",
            "platform_version": "",
            "python_full_version": full,
            "python_version": self.minor,
            "sys_platform": "win32" if is_windows else "darwin" if is_mac else "linux",
        }

    def _machine(self) -> str:
        return self.platform.split("_", 3)[3]
