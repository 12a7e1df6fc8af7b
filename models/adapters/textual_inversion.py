"""Textual inversion: learnt vectors that stand in for a word of the prompt (Gal et al., "An Image is Worth One Word",
2022)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from models.catalog.entry import ModelEntry

FOR_SDXL = ("clip_l", "clip_g")


class EmbeddingError(ValueError):
    """A file that is no embedding, or vectors that a text encoder cannot take; the message says what it takes."""

    code = "bad_input"


@dataclass(frozen=True, eq=False, slots=True)
class Inversion:
    """A word and what stands in for it: vectors [count, width], one such tensor for each width of text encoder."""

    word: str
    vectors: tuple[Tensor, ...]
    digest: str
    """Of the vectors: two inversions of one word and digest are the same."""

    def for_width(self, width: int) -> Tensor:
        """The vectors that an encoder of this width takes. Raises EmbeddingError."""
        for vectors in self.vectors:
            if vectors.shape[1] == width:
                return vectors
        has = " and ".join(str(vectors.shape[1]) for vectors in self.vectors)
        raise EmbeddingError(
            f"the vectors of {self.word!r} have {has} numbers each, but a text encoder of this model takes {width}; "
            "use an embedding that was made for this family of models"
        )


def inversion(word: str, vectors: Sequence[Sequence[float]]) -> Inversion:
    """Of numbers that somebody sent; rows must be of one length."""
    return _inversion(word, (torch.tensor(vectors, dtype=torch.float32),))


class Embedding:
    """A loaded embedding, called by its name and its aliases."""

    def __init__(self, entry: ModelEntry, vectors: tuple[Tensor, ...]) -> None:
        self.name = entry.name
        self.family: str = entry.family
        self.device = torch.device("cpu")
        self.inversions = tuple(_inversion(word, vectors) for word in (entry.name, *entry.aliases))

    @property
    def bytes(self) -> int:
        return sum(vectors.nbytes for vectors in self.inversions[0].vectors)

    def to(self, device: torch.device) -> None:
        """Stays where it is: it is a few rows, and copied when a prompt names it."""


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Embedding:
    """Raises EmbeddingError."""
    return Embedding(entry, read(entry.path))


def read(file: Path) -> tuple[Tensor, ...]:
    """The vectors in a file, float32, by encoder: A1111's lay-out, that of SDXL, or one tensor by the word's name."""
    tensors: Mapping[str, Tensor] = load_file(file)
    if set(FOR_SDXL) <= tensors.keys():
        found = [tensors[name] for name in FOR_SDXL]
    else:
        found = [tensors["emb_params"]] if "emb_params" in tensors else list(tensors.values())
        found = found if len(found) == 1 else []
    if not found or any(tensor.ndim not in (1, 2) for tensor in found):
        raise EmbeddingError(
            f"{file.name} holds {', '.join(sorted(tensors)[:4]) or 'nothing'}, not one tensor of vectors, `emb_params` "
            "or `clip_l` and `clip_g`; list it in models.yaml under its own family"
        )
    return tuple(tensor.float().reshape(-1, tensor.shape[-1]) for tensor in found)


def _inversion(word: str, vectors: tuple[Tensor, ...]) -> Inversion:
    digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in vectors)).hexdigest()
    return Inversion(word.lower(), vectors, digest)
