"""Finds the models in folders: what each file or diffusers folder is, its header tells, never its name. The name only
suggests which maps a ControlNet follows, and what an ONNX net is for, because nothing else tells.

Torch-free. Only headers are read, and those of unchanged files only once.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.catalog.file_stamps import Stamp, newest_at, stamp_of
from models.catalog.pickles import PICKLES, is_covered, pickle_message
from models.files.checkpoint_keys import is_supported, is_text_encoder
from models.files.image_encoder_keys import EncoderWidths, encoder_folder_widths, encoder_widths
from models.files.ncnn_param import PARAM
from models.files.ncnn_weights import read_net_header
from models.files.safetensors_header import HeaderError, read_header
from models.files.unet_keys import find_unet
from models.files.unsupported import unsupported_message
from models.files.weights_error import WeightsError, one_line
from models.kinds import FAMILIES
from models.kinds.kind import ModelFamily
from models.kinds.layout import is_translator
from models.kinds.translator import UNCONVERTED, unconverted_message
from models.plain_files import is_file, is_folder, open_plain, read_object, resolve

log = logging.getLogger(__name__)
CONFIGS = "model_index.json", "config.json"
UNETS = "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors"
NAMELESS = "diffusion_pytorch_model"
"""How diffusers calls the file of every net; the name of its folder says more."""
FACE_DETECTOR = re.compile("face|yunet", re.IGNORECASE)
"""The names of ONNX nets that find faces, such as CenterFace. They have no header; others are matting nets."""
SUFFIXES = frozenset({".safetensors", ".onnx", PARAM, *PICKLES})
_Key = tuple[Path, Stamp]
PASSED_OVER = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG}
"""Errors of a folder that cannot be listed while its disk is well."""
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Controls, ends of lines, and the halves of surrogate pairs that stand for bytes which are not UTF-8."""
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

    def __post_init__(self) -> None:
        """Names of files and texts in them need be neither UTF-8 nor one line; logs and answers in JSON are."""
        object.__setattr__(self, "message", _printable(self.message))
        object.__setattr__(self, "names", tuple(filter(None, map(_printable, self.names))))


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
                result = _identify_safely(path)
                if isinstance(result, Problem) and self._scanned and _is_being_written(path):
                    return self._whole.get(path)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not path.is_symlink():
                return None  # it has gone since its folder was listed
            key, result = (path, ()), Problem(path, _unreadable(path, error))  # it is tried again at the next scan
        self._known[key] = result
        return result


def _is_being_written(path: Path) -> bool:
    """Whether a file there has changed in the last seconds. Raises OSError."""
    return 0 <= time.time() - newest_at(path) < SETTLE_S


def _candidates(folder: Path) -> Iterator[Path]:
    """Files with weights and folders of diffusers, sorted by name; no hidden ones.

    Links to files are followed. Links to folders are not: one could lead to the whole disk, or in a circle. They are
    yielded, and so are links that lead nowhere and pipes with the name of a model: the operator learns of it.
    """
    waiting = deque([resolve(folder)])
    while waiting:
        for entry in _sorted_entries(waiting.popleft()):
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if any(is_file(path / name) for name in CONFIGS):
                    yield path
                else:
                    waiting.append(path)
            elif path.suffix.lower() in SUFFIXES:
                if not is_covered(path):
                    yield path
            elif entry.is_symlink() and is_folder(path):
                yield path


def _sorted_entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if error.errno in PASSED_OVER:
            return []
        raise


def _identify_safely(path: Path) -> FoundModel | FoundEncoder | Problem | None:
    """As `identify`. Raises OSError, and nothing else: one file takes no other with it, whatever it holds."""
    try:
        return identify(path)
    except OSError:
        raise
    except Exception as error:
        log.exception("%r cannot be identified", str(path))
        cause = f"{type(error).__name__}: {one_line(error)}"
        return Problem(path, f"{path.name} cannot be read ({cause}); copy it again, or move it elsewhere")


def _unreadable(path: Path, error: OSError) -> str:
    """Why a file cannot be read, and what to do."""
    if path.is_symlink() and error.errno in (errno.ENOENT, errno.ELOOP):
        return f"{path.name} is a link that leads to no file; correct it, or remove it"
    return f"{path.name} cannot be read ({error.strerror}); check it and its rights"


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def identify(path: Path) -> FoundModel | FoundEncoder | Problem | None:
    """What a file or a folder of diffusers is; None for a part of a model, which entries of others name. Raises
    OSError."""
    if path.is_dir() and path.is_symlink():
        return Problem(path, f"{path.name} is a link to a folder, which is not followed; name it in HUA_MODELS_DIR")
    return _identify_folder(path) if path.is_dir() else _identify_file(path)


def _identify_file(path: Path) -> FoundModel | FoundEncoder | Problem | None:
    if path.suffix.lower() in PICKLES or resolve(path).suffix.lower() in PICKLES:
        return Problem(path, pickle_message(path))
    if path.suffix.lower() == ".onnx":
        open_plain(path).close()
        return FoundModel(resolve(path), "face" if FACE_DETECTOR.search(path.stem) else "matting", {})
    try:
        if path.suffix.lower() == PARAM:
            read_net_header(path)
            return FoundModel(resolve(path), "upscaler", {})
        header = read_header(path)
    except WeightsError as error:
        return Problem(path, str(error))
    for family in FAMILIES.values():
        if (fields := family.recognise(header)) is not None:
            return _found(path, family, fields)
    if widths := encoder_widths(header):
        return FoundEncoder(resolve(path), widths)
    return None if is_text_encoder(header) else Problem(path, unsupported_message(path, header))


def _found(path: Path, family: ModelFamily, fields: Mapping[str, Any]) -> FoundModel:
    stem = path.name if path.is_dir() else path.stem
    name = path.parent.name if stem.startswith(NAMELESS) else stem
    guessed = {key: value for key, value in family.guess(name).items() if key not in fields}
    return FoundModel(resolve(path), family.name, {**fields, **guessed}, frozenset(guessed))


def _identify_folder(path: Path) -> FoundModel | FoundEncoder | Problem | None:
    """None for a part of a model, such as a text encoder or a tokenizer."""
    configs = list(_read_configs(path))
    names = {name for config in configs for name in _class_names(config)}
    if any(name.startswith("StableDiffusion") and name.endswith("Pipeline") for name in names):
        return _identify_pipeline(path)
    if is_translator(path):
        return _found(path, FAMILIES["translator"], {})
    if UNCONVERTED in names:
        return Problem(path, unconverted_message(path))
    for family in FAMILIES.values():
        if names & family.folder_classes:
            fields = {name: value for config in configs for name, value in family.recognise_config(config).items()}
            return _found(path, family, {**_folder_fields(path, family), **fields})
    widths = encoder_folder_widths(path)
    return FoundEncoder(resolve(path), widths) if widths else None


def _identify_pipeline(path: Path) -> FoundModel | Problem:
    """The family of a folder of a whole pipeline: that of its UNet."""
    unets = [path / name for name in UNETS if is_file(path / name)]
    if not unets:
        return Problem(path, f"{path.name} has no {UNETS[0]}; copy the folder again, or convert it to safetensors")
    try:
        header = read_header(unets[0])
    except HeaderError as error:
        return Problem(path, f"{path.name}: {error}")
    if (unet := find_unet(header)) is not None and is_supported(unet):
        return FoundModel(resolve(path), unet.family, {})
    return Problem(path, unsupported_message(path, header))


def _folder_fields(path: Path, family: ModelFamily) -> Mapping[str, Any]:
    for file in sorted(path.glob("*.safetensors")):
        try:
            return family.recognise(read_header(file)) or {}
        except HeaderError:
            continue
    return {}


def _read_configs(folder: Path) -> Iterator[dict[str, Any]]:
    return filter(None, (read_object(folder / name) for name in CONFIGS))


def _class_names(config: Mapping[str, Any]) -> Iterable[str]:
    architectures = config.get("architectures")
    return (str(config.get("_class_name", "")), *map(str, architectures if isinstance(architectures, list) else ()))
