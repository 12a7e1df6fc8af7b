"""Which file of each locked package a machine takes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.utils import parse_wheel_filename

from deploy.wheelhouse.target import Target


class SelectionError(Exception):
    """Packages have no file for the target; the message names them."""


@dataclass(frozen=True, slots=True)
class Pin:
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """One file of a package."""

    pin: Pin
    filename: str
    sha256: str
    is_source: bool = False
    """Whether a wheel must be built from it."""

    @property
    def requirement(self) -> str:
        return f"{self.pin} --hash=sha256:{self.sha256}"


def pins(export: str, target: Target) -> Iterator[Pin]:
    """The packages of `uv export --no-hashes` that the target needs."""
    for line in export.splitlines():
        requirement, _, marker = line.partition(" ; ")
        if requirement.strip() and (not marker or Marker(marker).evaluate(target.environment())):
            name, _, version = requirement.strip().partition("==")
            yield Pin(name.partition("[")[0], version)


def choose(lock_file: Path, wanted: Iterable[Pin], target: Target) -> list[Chosen]:
    """The best wheel of each package, or its source where it has no wheel for the target. Raises SelectionError."""
    lock = tomllib.loads(lock_file.read_text(encoding="utf-8"))
    packages = {Pin(each["name"], each.get("version", "")): each for each in lock["package"]}
    ranks = {tag: rank for rank, tag in enumerate(target.tags())}
    chosen, missing = [], []
    for pin in wanted:
        package = packages.get(pin, {})
        ranked = [(rank, wheel) for wheel in package.get("wheels", []) if (rank := _rank(wheel, ranks)) is not None]
        if ranked:
            chosen.append(_chosen(pin, min(ranked, key=lambda each: each[0])[1]))
        elif "sdist" in package:
            chosen.append(_chosen(pin, package["sdist"], is_source=True))
        else:
            missing.append(str(pin))
    if missing:
        raise SelectionError(
            f"no wheel for Python {target.python} on {target.platform}, and no source: {', '.join(missing)}; "
            "choose another PYTHON or PLATFORM, or leave out the extra that needs them (EXTRAS)"
        )
    return chosen


def _rank(wheel: Mapping[str, Any], ranks: Mapping[Any, int]) -> int | None:
    """How well a wheel suits, 0 the best; None if the target does not take it."""
    _, _, _, tags = parse_wheel_filename(_filename(wheel))
    return min((ranks[tag] for tag in tags if tag in ranks), default=None)


def _chosen(pin: Pin, file: Mapping[str, Any], *, is_source: bool = False) -> Chosen:
    if "hash" not in file:
        raise SelectionError(f"uv.lock has no hash of {_filename(file)}; lock {pin} from an index that has hashes")
    return Chosen(pin, _filename(file), str(file["hash"]).removeprefix("sha256:"), is_source)


def _filename(file: Mapping[str, Any]) -> str:
    location = str(file.get("filename") or file.get("url") or file["path"])
    return location.rpartition("/")[2].partition("#")[0].replace("%2B", "+")
