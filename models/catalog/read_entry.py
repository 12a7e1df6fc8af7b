"""Reads one entry of `models.yaml`: checks its fields, and that its files exist."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from models.catalog.checkpoint_shape import read_shape
from models.catalog.entry import CatalogError, ModelEntry
from models.catalog.file_stamps import stamp_of
from models.catalog.parts import PARTS
from models.catalog.pickles import PICKLES, pickle_message
from models.kinds import CHECKPOINT_FAMILIES, FAMILIES
from models.kinds.layout import LayoutError, PretrainedFolder, SingleFile
from models.plain_files import resolve
from models.pydantic_errors import field_path, message_of


def _check_family(name: str) -> str:
    return _one_of(name, FAMILIES)


def _check_checkpoint_family(name: str | None) -> str | None:
    return None if name is None else _one_of(name, CHECKPOINT_FAMILIES)


def _one_of(name: str, families: Collection[str]) -> str:
    if name not in families:
        raise PydanticCustomError(
            "family", "there is no such family; there are: {families}", {"families": ", ".join(sorted(families))}
        )
    return name


class CheckedEntry(ModelEntry):
    """An entry whose families exist. Apart from ModelEntry, because loaders use entries and families name loaders."""

    family: Annotated[str, AfterValidator(_check_family)]
    base: Annotated[str | None, Field(alias="for"), AfterValidator(_check_checkpoint_family)] = None


def read_entry(model: object, folder: Path) -> ModelEntry:
    """Checks an entry against the files of the models folder. Raises CatalogError."""
    try:
        return _resolve_entry(CheckedEntry.model_validate(model), folder)
    except ValidationError as error:
        first = error.errors()[0]
        message = message_of(first)
        raise CatalogError(f"{field_path(first) or 'entry'}: {message[0].lower()}{message[1:]}") from error
    except LayoutError as error:
        raise CatalogError(str(error)) from error
    except OSError as error:
        raise CatalogError(f"{error.filename} cannot be read ({error.strerror}); check it and its rights") from error


def _resolve_entry(entry: ModelEntry, folder: Path) -> ModelEntry:
    family = FAMILIES[entry.family]
    path = _resolve(entry.path, folder)
    config = _resolve(entry.config, folder) if entry.config else None
    encoder = _resolve(entry.encoder, folder) if entry.encoder else None
    for field, message in family.required.items():
        if getattr(entry, field) is None:
            raise CatalogError(message)
    size = family.layout.weigh(path) + (_weigh_encoder(encoder) if encoder else 0)
    found: dict[str, Any] = {"path": path, "config": config, "encoder": encoder, "bytes": size}
    if entry.family in CHECKPOINT_FAMILIES:
        found["shape"] = read_shape(path, config, entry.family)
    stamps = [stamp_of(value) for value in found.values() if isinstance(value, Path)]
    found["stamp"] = hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]
    parts = {name: _resolve_part(value, folder) for name in PARTS if (value := getattr(entry, name))}
    return entry.model_copy(update=found | parts)


def _resolve_part(path: Path, folder: Path) -> Path:
    """The absolute path of a file or folder; anything else is the name of a model, which is found later."""
    return _resolve(path, folder) if (folder / path).exists() or path.is_absolute() else path


def _weigh_encoder(path: Path) -> int:
    """Raises LayoutError."""
    return (SingleFile() if path.is_file() else PretrainedFolder()).weigh(path)


def _resolve(path: Path, folder: Path) -> Path:
    """The absolute path, links followed. A relative path must lead to a file inside the models folder."""
    resolved = resolve(folder / path)
    if not path.is_absolute() and not resolved.is_relative_to(resolve(folder)):
        raise CatalogError(f"{path} leads out of the models folder; move it inside, or give an absolute path")
    if PICKLES & {path.suffix.lower(), resolved.suffix.lower()}:
        raise CatalogError(pickle_message(folder / path))
    if not resolved.exists():
        raise CatalogError(f"{resolved} does not exist; put the model there, or correct its path")
    return resolved
