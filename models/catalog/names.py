"""The spellings by which callers may name a model: its name, a slug of it, its file name, in any case."""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.catalog.entry import ModelEntry
from models.catalog.file_hashes import AUTO_V2

MAX_NAME = 128
_HASH = re.compile(r"(?<!\s)\s*\[([0-9a-f]{8,64})\]$", re.IGNORECASE)
"""A1111 writes a title as `name.safetensors [10 hex digits of its hash]`."""
_BARE_HASH = re.compile(rf"([0-9a-f]{{{AUTO_V2},64}})", re.IGNORECASE)
_SUFFIX = re.compile(r"\.(?:safetensors|ckpt|pt|pth|bin|onnx|param)$", re.IGNORECASE)


def name_of_stem(stem: str) -> str:
    """The name of a model whose file has this stem: the stem as it is, if it can be a name."""
    return "".join(character for character in stem if character.isprintable() and character not in "/\\")[:MAX_NAME]


def spellings(entry: ModelEntry) -> Iterator[str]:
    """The keys under which an entry is found, the exact ones first."""
    for name in (entry.name, *entry.aliases):
        yield key_of(name)
    yield slug(entry.name)


def title_of(entry: ModelEntry, sha256: str) -> str:
    """The title by which A1111's web UI and its clients name a model."""
    return f"{entry.path.name} [{sha256[:AUTO_V2]}]"


def tag_name(entry: ModelEntry) -> str:
    """A name that can stand in `<lora:…>`."""
    return slug(entry.name) if set(entry.name) & set("<>:") else entry.name


def hash_in(name: str) -> str:
    """The digits of the hash that a name is, or that a title ends with; "" if there is none."""
    match = _HASH.search(name.strip()) or _BARE_HASH.fullmatch(name.strip())
    return match[1].lower() if match else ""


def key_of(name: str) -> str:
    """Names are compared without regard to case, to a suffix of files, and to A1111's hash."""
    return _SUFFIX.sub("", _HASH.sub("", name.strip())).casefold()


def slug(name: str) -> str:
    """The letters and digits of a name, of any script, in lower case, with single dashes between."""
    return re.sub(r"(?:[^\w.]|_)+", "-", key_of(name)).strip("-")
