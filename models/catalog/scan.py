"""Finds the models in folders: what each file or diffusers folder is, its header tells, never its name. The name only
suggests which maps a ControlNet follows, because nothing else tells.

Torch-free. Only headers are read, and those of unchanged files only once.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.catalog.file_stamps import Stamp, newest_at, stamp_of
from models.catalog.pickles import PICKLES, is_covered, pickle_message
from models.files.checkpoint_keys import is_supported, is_text_encoder
from models.files.image_encoder_keys import EncoderWidths, encoder_widths
from models.files.ncnn_param import PARAM
from models.files.ncnn_weights import read_net_header
from models.files.safetensors_header import HeaderError, read_header
from models.files.unet_keys import find_unet
from models.files.unsupported import unsupported_message
from models.files.weights_error import WeightsError
from models.kinds import FAMILIES
from models.kinds.kind import ModelFamily

CONFIGS = "model_index.json", "config.json"
UNETS = "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors"
NAMELESS = "diffusion_pytorch_model"
"""How diffusers calls the file of every net; the name of its folder says more."""
SUFFIXES = frozenset({".safetensors", ".onnx", PARAM, *PICKLES})
_Key = tuple[Path, Stamp]
SETTLE_S = 5.0
"""How long a file that is no whole model may be one that is still being copied: so long after its last change."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file, or an entry of `models.yaml`, that is no usable model."""

    path: Path
    message: str
    """What is wrong and what to do, in one sentence."""
    names: tuple[str, ...] = ()
    """The names of the model that cannot be used for it; empty if the model can be used all the same."""
    default: bool = False
    """Whether that model is the default."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    path: Path
    """A file, or a folder as `save_pretrained` writes it. Absolute, links followed."""
    family: str
    fields: Mapping[str, Any]
    """The other fields of its entry that the header tells."""
    guessed: frozenset[str] = frozenset()
    """Those of `fields` that only its name suggests."""


@dataclass(frozen=True, slots=True)
class FoundEncoder:
    """A CLIP vision encoder, which is no model by itself: IP-Adapters need it."""

    path: Path
    """Absolute, links followed."""
    widths: EncoderWidths


@dataclass(slots=True)
class Scanner:
    """Scans folders again and again; remembers what each file was as long as its size and time stay the same."""

    _known: dict[_Key, FoundModel | FoundEncoder | Problem | None] = field(default_factory=dict)
    _before: dict[_Key, FoundModel | FoundEncoder | Problem | None] = field(default_factory=dict)
    """Of the last scan."""
    encoders: list[FoundEncoder] = field(default_factory=list)
    """Those that the last scan found."""
    _whole: dict[Path, FoundModel | FoundEncoder] = field(default_factory=dict)
    """Of the last scan, by the path at which each was found."""
    _scanned: bool = False
    """Whether there was a scan before the present one."""

    @property
    def state(self) -> Collection[tuple[Path, Stamp]]:
        """Equal after two scans that have found the same files, unchanged."""
        return self._known.keys()

    @property
    def paths(self) -> set[Path]:
        """The paths, links followed, whose changes a scan notices."""
        return {path for path, _ in self._known} | {found.path for found in self._whole.values()}

    def scan(self, folders: Sequence[Path]) -> tuple[list[FoundModel], list[Problem]]:
        """The models below these folders, sorted by path, and the files that are none but look like models.

        A file that is being copied since the last scan is no problem yet, and what it replaces stays until it is whole.
        Raises OSError if a folder cannot be listed for another reason than its rights.
        """
        self._before, self._known = self._known, {}
        results = {path: self._identify_once(path) for folder in folders for path in _candidates(folder)}
        self._whole = {path: each for path, each in results.items() if isinstance(each, FoundModel | FoundEncoder)}
        self._scanned = True
        models = [result for result in results.values() if isinstance(result, FoundModel)]
        self.encoders = [result for result in results.values() if isinstance(result, FoundEncoder)]
        problems = [result for result in results.values() if isinstance(result, Problem)]
        return models, problems

    def _identify_once(self, path: Path) -> FoundModel | FoundEncoder | Problem | None:
        try:
            key = path, stamp_of(path)
            if key in self._before:
                result = self._before[key]
            else:
                result = identify(path)
                if isinstance(result, Problem) and self._scanned and _is_being_written(path):
                    return self._whole.get(path)
            self._known[key] = result
            return result
        except OSError as error:
            return Problem(path, f"{path.name} cannot be read ({error.strerror}); check its rights")


def _is_being_written(path: Path) -> bool:
    """Whether a file there has changed in the last seconds. Raises OSError."""
    return 0 <= time.time() - newest_at(path) < SETTLE_S


def _candidates(folder: Path) -> Iterator[Path]:
    """Files with weights and folders of diffusers, sorted by name; no hidden ones.

    Links to files are followed. Links to folders are not: one could lead to the whole disk, or in a circle. They are
    yielded, so that the operator learns of it.
    """
    waiting = [folder.resolve()]
    while waiting:
        for entry in _sorted_entries(waiting.pop(0)):
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if any((path / name).is_file() for name in CONFIGS):
                    yield path
                else:
                    waiting.append(path)
            elif entry.is_dir() or (path.suffix.lower() in SUFFIXES and entry.is_file() and not is_covered(path)):
                yield path


def _sorted_entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []


def identify(path: Path) -> FoundModel | FoundEncoder | Problem | None:
    """What a file or a folder of diffusers is; None for a part of a model, which entries of others name. Raises
    OSError."""
    if path.is_dir() and path.is_symlink():
        return Problem(path, f"{path.name} is a link to a folder, which is not followed; name it in HUA_MODELS_DIR")
    return _identify_folder(path) if path.is_dir() else _identify_file(path)


def _identify_file(path: Path) -> FoundModel | FoundEncoder | Problem | None:
    if path.suffix.lower() in PICKLES or path.resolve().suffix.lower() in PICKLES:
        return Problem(path, pickle_message(path))
    if path.suffix.lower() == ".onnx":
        return FoundModel(path.resolve(), "matting", {})
    try:
        if path.suffix.lower() == PARAM:
            read_net_header(path)
            return FoundModel(path.resolve(), "upscaler", {})
        header = read_header(path)
    except WeightsError as error:
        return Problem(path, str(error))
    for family in FAMILIES.values():
        if (fields := family.recognise(header)) is not None:
            return _found(path, family, fields)
    if widths := encoder_widths(path):
        return FoundEncoder(path.resolve(), widths)
    return None if is_text_encoder(header) else Problem(path, unsupported_message(path, header))


def _found(path: Path, family: ModelFamily, fields: Mapping[str, Any]) -> FoundModel:
    stem = path.name if path.is_dir() else path.stem
    name = path.parent.name if stem.startswith(NAMELESS) else stem
    guessed = {key: value for key, value in family.guess(name).items() if key not in fields}
    return FoundModel(path.resolve(), family.name, {**fields, **guessed}, frozenset(guessed))


def _identify_folder(path: Path) -> FoundModel | FoundEncoder | Problem | None:
    """None for a part of a model, such as a text encoder or a tokenizer."""
    configs = list(_read_configs(path))
    names = {name for config in configs for name in _class_names(config)}
    if any(name.startswith("StableDiffusion") and name.endswith("Pipeline") for name in names):
        return _identify_pipeline(path)
    for family in FAMILIES.values():
        if names & family.folder_classes:
            told = {name: value for config in configs for name, value in family.recognise_config(config).items()}
            return _found(path, family, {**_folder_fields(path, family), **told})
    widths = encoder_widths(path)
    return FoundEncoder(path, widths) if widths else None


def _identify_pipeline(path: Path) -> FoundModel | Problem:
    """The family of a folder of a whole pipeline: that of its UNet."""
    unets = [path / name for name in UNETS if (path / name).is_file()]
    if not unets:
        return Problem(path, f"{path.name} has no {UNETS[0]}; copy the folder again, or convert it to safetensors")
    try:
        header = read_header(unets[0])
    except HeaderError as error:
        return Problem(path, f"{path.name}: {error}")
    if (unet := find_unet(header)) is not None and is_supported(unet):
        return FoundModel(path, unet.family, {})
    return Problem(path, unsupported_message(path, header))


def _folder_fields(path: Path, family: ModelFamily) -> Mapping[str, Any]:
    for file in sorted(path.glob("*.safetensors")):
        try:
            return family.recognise(read_header(file)) or {}
        except HeaderError:
            continue
    return {}


def _read_configs(folder: Path) -> Iterator[dict[str, Any]]:
    for name in CONFIGS:
        try:
            config = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(config, dict):
            yield config


def _class_names(config: Mapping[str, Any]) -> Iterable[str]:
    return (str(config.get("_class_name", "")), *map(str, config.get("architectures") or ()))
