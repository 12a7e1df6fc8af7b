"""The models of a run, under our own names: toys, full-size nets with weights of chance, or one that is installed."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import yaml

from models import catalog
from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.entry import CatalogError, ModelEntry
from models.kinds import CHECKPOINT_FAMILIES
from server.commands.bench.plan import CANNY, LARGE, OTHER, PAINTER, UPSCALER
from server.settings import Settings, SettingsError
from server.worker.device_process import torch_environment

log = logging.getLogger(__name__)
Weights = Literal["toy", "random", "installed"]
FULL_SIZE_BYTES = 12 << 30
TOYS = {PAINTER: "toy-sd1", LARGE: "toy-sdxl", CANNY: "toy-sd1-canny", UPSCALER: "toy-esrgan"}


def stock(folder: Path, weights: Weights, model: str, settings: Settings, device: str) -> Path:
    """A folder with the `models.yaml` of a run; raises SettingsError."""
    folder.mkdir(parents=True, exist_ok=True)
    if weights == "toy":
        entries = _named(_toys(folder, settings), TOYS)
    elif weights == "random":
        entries = _random(folder, settings, device)
    else:
        entries = _installed(catalog.read(settings.models_path), model)
    other = {**entries[0], "name": OTHER, "default": False}
    listed = yaml.safe_dump({"models": [*entries, other]}, sort_keys=False)
    (folder / "models.yaml").write_text(listed, encoding="utf-8")
    return folder


def _toys(folder: Path, settings: Settings) -> Catalog:
    """Those of the models folder, if they are there, else new ones."""
    try:
        installed = catalog.read(settings.models_path)
        if set(TOYS.values()) <= {entry.name for entry in installed}:
            return installed
    except CatalogError:
        pass
    log.info("building toy models")
    _build("models.toy", settings, str(folder / "toys"))
    return catalog.read(folder / "toys")


def _random(folder: Path, settings: Settings, device: str) -> list[dict[str, Any]]:
    free = shutil.disk_usage(folder).free
    if free < FULL_SIZE_BYTES:
        raise SettingsError(
            f"nets of full size take {FULL_SIZE_BYTES >> 30} GiB, and {folder} has {free >> 30}; "
            "give --out a larger disk, or measure an installed model with --model"
        )
    log.info("building nets of full size with weights of chance, about 10 GB, in %s", folder)
    _build("models.toy.full_size", settings, str(folder), device)
    return [
        {"name": PAINTER, "path": "sd1", "family": "sd1", "default": True},
        {"name": LARGE, "path": "sdxl", "family": "sdxl"},
        {"name": CANNY, "path": "canny", "family": "controlnet", "for": "sd1", "hint": "canny"},
        {"name": UPSCALER, "path": "esrgan.safetensors", "family": "upscaler"},
    ]


def _installed(models: Catalog, name: str) -> list[dict[str, Any]]:
    """The one that is named, and what there is to go with it."""
    try:
        painter = models.find(name)
    except UnknownModelError as error:
        raise SettingsError(f"--model: {error}") from error
    if painter.family not in CHECKPOINT_FAMILIES:
        raise SettingsError(f"--model {name} is of family {painter.family}, which does not paint; name one that does")
    chosen = {PAINTER: painter.name}
    for entry in models:
        if entry.family == "upscaler":
            chosen.setdefault(UPSCALER, entry.name)
        if entry.family == "sdxl" and painter.family != "sdxl":
            chosen.setdefault(LARGE, entry.name)
        if entry.family == "controlnet" and (entry.base, entry.hint) == (painter.family, "canny"):
            chosen.setdefault(CANNY, entry.name)
    return _named(models, chosen)


def _named(models: Catalog, chosen: dict[str, str]) -> list[dict[str, Any]]:
    return [{**_said(models.find(name)), "name": ours, "default": ours == PAINTER} for ours, name in chosen.items()]


def _said(entry: ModelEntry) -> dict[str, Any]:
    """What its models.yaml says of it, as far as that matters here."""
    said = entry.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {key: value for key, value in said.items() if key not in {"aliases", "inpainting", "title", "sha256"}}


def _build(module: str, settings: Settings, *words: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *words], env=torch_environment(settings), check=False)
    if done.returncode:
        raise SettingsError(f"models could not be built: {module} ended with {done.returncode}, and said why above")
