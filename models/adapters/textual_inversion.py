"""Textual inversion: learnt vectors that replace a word of the prompt.

Gal et al., "An Image is Worth One Word", 2022.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.finite import holds_finite
from models.loading.tensors import read_tensors

SDXL_KEYS = ("clip_l", "clip_g")
MOST_VECTORS = 75
"""Vectors of one embedding: they stay together in one chunk of the prompt, which has so many tokens."""


class EmbeddingError(ValueError):
    """A file is not an embedding, or its vectors do not fit a text encoder; the message says what fits."""

    code = "bad_input"


@dataclass(frozen=True, eq=False, slots=True)
class Inversion:
    """A word and the vectors that replace it."""

    word: str
    vectors: tuple[Tensor, ...]
    """float32 [count, width], one tensor for each width of text encoder."""
    digest: str
    """SHA-256 of the vectors. Two inversions with the same word and digest are equal."""

    def for_width(self, width: int) -> Tensor:
        """The vectors for a text encoder of this width. Raises EmbeddingError."""
        for vectors in self.vectors:
            if vectors.shape[1] == width:
                return vectors
        widths = " and ".join(str(vectors.shape[1]) for vectors in self.vectors)
        raise EmbeddingError(
            f"the vectors of {self.word!r} have {widths} numbers each, but a text encoder of this model takes {width}; "
            "use an embedding for this family of models"
        )


def inversion_of(word: str, vectors: Sequence[Sequence[float]]) -> Inversion:
    """An inversion from the vectors of a request; all must have the same length."""
    return _inversion(word, (torch.tensor(vectors, dtype=torch.float32),))


class Embedding:
    """A loaded embedding: one inversion for its name and each of its aliases."""

    def __init__(self, entry: ModelEntry, vectors: tuple[Tensor, ...]) -> None:
        self.name = entry.name
        self.family: str = entry.family
        self.device = torch.device("cpu")
        self.inversions = tuple(_inversion(word, vectors) for word in (entry.name, *entry.aliases))

    @property
    def bytes(self) -> int:
        return sum(vectors.nbytes for vectors in self.inversions[0].vectors)

    def to(self, device: torch.device) -> None:
        """Does nothing: an embedding is a few vectors, which are copied when a prompt names it."""


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Embedding:
    """Raises EmbeddingError."""
    return Embedding(entry, read(entry.path))


def read(file: Path) -> tuple[Tensor, ...]:
    """The vectors of a file, float32 [count, width] by encoder. Layouts: A1111's, SDXL's, or a single tensor.

    Raises EmbeddingError.
    """
    try:
        tensors: Mapping[str, Tensor] = read_tensors(file)
    except WeightsError as error:
        raise EmbeddingError(str(error)) from error
    if set(SDXL_KEYS) <= tensors.keys():
        vectors = [tensors[name] for name in SDXL_KEYS]
    else:
        vectors = [tensors["emb_params"]] if "emb_params" in tensors else list(tensors.values())
        vectors = vectors if len(vectors) == 1 else []
    if not vectors or any(tensor.ndim not in (1, 2) or not tensor.is_floating_point() for tensor in vectors):
        raise EmbeddingError(
            f"{file.name} has the keys {', '.join(sorted(tensors)[:4]) or '(none)'}, not `emb_params`, `clip_l` and "
            "`clip_g`, or a single tensor of vectors; correct its family in models.yaml"
        )
    if not all(map(holds_finite, vectors)):
        raise EmbeddingError(f"{file.name} has vectors with NaN or infinity; train or fetch it again")
    tables = tuple(tensor.float().reshape(-1, tensor.shape[-1]) for tensor in vectors)
    _check_counts(file, [len(table) for table in tables])
    return tables


def _check_counts(file: Path, counts: Sequence[int]) -> None:
    """Raises EmbeddingError unless each text encoder gets the same number of vectors, and a chunk can hold them."""
    if len(set(counts)) > 1:
        raise EmbeddingError(
            f"{file.name} has {counts[0]} vectors for one text encoder and {counts[1]} for the other; fetch it "
            "again, or train it with as many for both"
        )
    if not 1 <= counts[0] <= MOST_VECTORS:
        raise EmbeddingError(
            f"{file.name} has {counts[0]} vectors; an embedding may have 1 to {MOST_VECTORS}, the tokens of one chunk "
            "of a prompt: use one with fewer vectors"
        )


def _inversion(word: str, vectors: tuple[Tensor, ...]) -> Inversion:
    digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in vectors)).hexdigest()
    return Inversion(word.lower(), vectors, digest)
