"""CLIP's vocabulary, for single-file checkpoints, which contain none. All of Stable Diffusion 1, 2 and XL use it.

Its merges ship with the package `open_clip_torch`. The file is read, and the package is not imported, because that
would also import its training code.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021.
"""

from __future__ import annotations

import gzip
import importlib.util
from functools import cache
from pathlib import Path

from models.files.weights_error import WeightsError

START, END, ZERO = "<|startoftext|>", "<|endoftext|>", "!"
SIZE, LENGTH = 49_408, 77
"""Tokens of the vocabulary, and of a prompt."""
MERGES = SIZE - 2 * 256 - 2
_FILE = "bpe_simple_vocab_16e6.txt.gz"

Merges = tuple[tuple[str, str], ...]


@cache
def clip_vocabulary() -> tuple[dict[str, int], Merges]:
    """The number of each piece: all bytes, all bytes that end a word, one piece per merge, then the two marks.

    Raises WeightsError.
    """
    lines = gzip.decompress(_merges_file().read_bytes()).decode().split("\n")[1 : MERGES + 1]
    merges = tuple((left, right) for left, _, right in (line.partition(" ") for line in lines))
    letters = _bytes_in_order()
    pieces = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges), START, END]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    if len(vocabulary) != SIZE:
        raise WeightsError(f"{_FILE} has {len(vocabulary)} tokens, not {SIZE}; install open_clip_torch again")
    return vocabulary, merges


def _bytes_in_order() -> list[str]:
    """The characters that stand for bytes: first those that print as they are, then the others."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [*map(chr, printable), *(chr(256 + index) for index in range(others))]


def _merges_file() -> Path:
    spec = importlib.util.find_spec("open_clip")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (file := Path(folder) / _FILE).is_file():
            return file
    raise WeightsError("single-file checkpoints need CLIP's vocabulary; install open_clip_torch")
