"""Says for each checkpoint from where its VAE and its text encoders come, if not from its own file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

from models.catalog.entry import FILE, ModelEntry
from models.catalog.file_stamps import stamp_of
from models.catalog.names import key_of, spellings
from models.catalog.scan import Problem
from models.files.checkpoint_keys import TEXT_ENCODERS
from models.kinds import CHECKPOINT_FAMILIES
from models.kinds.vae import FAMILY as VAE

PARTS = (*TEXT_ENCODERS, "vae")
"""Fields of an entry."""
XL = "sdxl"
BESIDE = ".vae.safetensors"
"""What follows the stem of a checkpoint in the name of its VAE, by a convention of A1111's web UI."""


class PartError(Exception):
    """A part of a checkpoint is nowhere; the message says which, and what to write."""

    code = "bad_model"


def with_parts(entries: Sequence[ModelEntry], problems: list[Problem]) -> list[ModelEntry]:
    """The entries, with absolute paths for all parts that other files have. An entry that lacks one becomes a
    problem."""
    result = []
    for entry in entries:
        try:
            result.append(_with_parts(entry, entries) if entry.family in CHECKPOINT_FAMILIES else entry)
        except PartError as error:
            problems.append(Problem(entry.path, str(error), (entry.name, *entry.aliases), entry.default))
    return result


def _with_parts(entry: ModelEntry, entries: Sequence[ModelEntry]) -> ModelEntry:
    parts: dict[str, Path] = {}
    for part in PARTS:
        if (value := getattr(entry, part)) is not None:
            parts[part] = value if value.is_absolute() else _path_of(str(value), part, entry, entries)
    beside = entry.path.with_name(entry.path.stem + BESIDE)
    if any(other.path == beside and other.family == VAE.name for other in entries):
        parts.setdefault("vae", beside)
    encoder = parts.get("text_encoder")
    if encoder and any(other.path == encoder and len(other.shape.text_encoders) > 1 for other in entries):
        parts.setdefault("text_encoder_2", encoder)
    for part in entry.shape.lacks:
        if part not in parts:
            parts[part] = _default_of(part, entry, entries)
    if "vae" in parts:
        _refuse_vae_of_other_family(entry, parts["vae"], entries)
    stamp = _stamp_with(entry, parts.values())
    return entry.model_copy(update={**parts, "stamp": stamp})


def _refuse_vae_of_other_family(entry: ModelEntry, vae: Path, entries: Sequence[ModelEntry]) -> None:
    """Raises PartError. The shapes of all are equal, so that a wrong one loads and paints noise. Stable Diffusion 1 and
    2 have the same."""
    for other in entries:
        family = other.base if other.family == VAE.name else other.family
        if other.path == vae and family != entry.family and XL in (family, entry.family) and family is not None:
            raise PartError(
                f"{entry.name} is of family {entry.family}, but its VAE, {other.name}, is for {family}; name another "
                f"as its `vae:` in {FILE}, or write `for: {entry.family}` into the entry of the VAE if it is labelled "
                "wrong"
            )


def _stamp_with(entry: ModelEntry, parts: Collection[Path]) -> str:
    """The stamp of an entry, which also changes when one of these files does."""
    try:
        stamps = [stamp_of(path) for path in parts]
    except OSError as error:
        raise PartError(f"{error.filename} cannot be read ({error.strerror}); check it and its rights") from error
    return hashlib.sha256(repr((entry.stamp, stamps)).encode()).hexdigest()[:16] if stamps else entry.stamp


def _path_of(name: str, part: str, entry: ModelEntry, entries: Sequence[ModelEntry]) -> Path:
    """Where a model of this name is that has this part."""
    families = {*CHECKPOINT_FAMILIES, *([VAE.name] if part == "vae" else [])}
    fitting = [other for other in entries if other.family in families and part not in other.shape.lacks]
    for other in fitting:
        if key_of(name) in spellings(other):
            return other.path
    raise PartError(
        f"{entry.name} has `{part}: {name}`, but there is no file, folder or model of this name that has one; correct "
        f"it in {FILE}, or leave it out"
    )


def _default_of(part: str, entry: ModelEntry, entries: Sequence[ModelEntry]) -> Path:
    """Where the checkpoint is whose parts others of its family take."""
    for other in entries:
        if other.default_parts and other.family == entry.family and part not in other.shape.lacks:
            return other.path
    what = {"vae": "VAE", "text_encoder": "text encoder", "text_encoder_2": "second text encoder"}[part]
    raise PartError(
        f"{entry.path.name} has no {what}; write `{part}:` into its entry in {FILE}, with the path of one or the name "
        f"of a model that has it, or `default_parts: true` into the entry of a complete model of family {entry.family}"
    )
