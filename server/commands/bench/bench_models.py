"""The models of a run, under fixed names: toys, full-size nets with random weights, or an installed model."""

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
from server.commands.bench.plan import CANNY, LARGE, MAIN, OTHER, UPSCALER
from server.settings import Settings, SettingsError
from server.worker.device_process import torch_environment

log = logging.getLogger(__name__)
Weights = Literal["toy", "random", "installed"]
FULL_SIZE_BYTES = 12 << 30
TOYS = {MAIN: "toy-sd1", LARGE: "toy-sdxl", CANNY: "toy-sd1-canny", UPSCALER: "toy-esrgan"}


def write_models(folder: Path, weights: Weights, model: str, settings: Settings, device: str) -> Path:
    """Writes the `models.yaml` of a run, and the models that it needs; returns the folder. Raises SettingsError."""
    folder.mkdir(parents=True, exist_ok=True)
    if weights == "toy":
        entries = _renamed(_toys(folder, settings), TOYS)
    elif weights == "random":
        entries = _random(folder, settings, device)
    else:
        entries = _installed(catalog.read(*settings.models_paths), model)
    other = {**entries[0], "name": OTHER, "default": False}
    text = yaml.safe_dump({"models": [*entries, other]}, sort_keys=False)
    (folder / "models.yaml").write_text(text, encoding="utf-8")
    return folder


def _toys(folder: Path, settings: Settings) -> Catalog:
    """The toys of the models folder if it has them, otherwise new ones."""
    try:
        installed = catalog.read(*settings.models_paths)
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
            f"full-size nets need {FULL_SIZE_BYTES >> 30} GiB, and {folder} has {free >> 30} GiB free; "
            "put --out on a larger disk, or measure an installed model with --model"
        )
    log.info("building full-size nets with random weights, about 10 GB, in %s", folder)
    _build("models.toy.full_size", settings, str(folder), device)
    return [
        {"name": MAIN, "path": "sd1", "family": "sd1", "default": True},
        {"name": LARGE, "path": "sdxl", "family": "sdxl"},
        {"name": CANNY, "path": "canny", "family": "controlnet", "for": "sd1", "hint": "canny"},
        {"name": UPSCALER, "path": "esrgan.safetensors", "family": "upscaler"},
    ]


def _installed(models: Catalog, name: str) -> list[dict[str, Any]]:
    """The named model, with the installed upscaler, ControlNet and SDXL model that fit it."""
    try:
        checkpoint = models.find(name)
    except UnknownModelError as error:
        raise SettingsError(f"--model: {error}") from error
    if checkpoint.family not in CHECKPOINT_FAMILIES:
        raise SettingsError(
            f"--model {name} is of family {checkpoint.family}, which generates no images; name an SD 1.5 or SDXL model"
        )
    chosen = {MAIN: checkpoint.name}
    for entry in models:
        if entry.family == "upscaler":
            chosen.setdefault(UPSCALER, entry.name)
        if entry.family == "sdxl" and checkpoint.family != "sdxl":
            chosen.setdefault(LARGE, entry.name)
        if entry.family == "controlnet" and (entry.base, entry.hint) == (checkpoint.family, "canny"):
            chosen.setdefault(CANNY, entry.name)
    return _renamed(models, chosen)


def _renamed(models: Catalog, chosen: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {**_fields(models.find(name)), "name": bench_name, "default": bench_name == MAIN}
        for bench_name, name in chosen.items()
    ]


def _fields(entry: ModelEntry) -> dict[str, Any]:
    """The fields of an entry in models.yaml that a run needs."""
    fields = entry.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {key: value for key, value in fields.items() if key not in {"aliases", "inpainting", "title", "sha256"}}


def _build(module: str, settings: Settings, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, *arguments], env=torch_environment(settings), check=False)
    if done.returncode:
        raise SettingsError(
            f"models could not be built: {module} exited with {done.returncode}; see its messages above"
        )
