"""Splits a prompt into CLIP's tokens, without torch: what the API needs to count them."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, Lowercase, Replace, Sequence
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as Steps

from models.files.weights_error import WeightsError
from models.loading.clip_vocabulary import END, START, Merges, clip_vocabulary

END_OF_WORD = "</w>"
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def clip_pieces(folder: Path | None = None) -> Tokenizer:
    """The tokenizer of a folder `tokenizer` as diffusers saves it; None: the published one. Raises WeightsError."""
    if folder is None:
        return _tokenizer(*clip_vocabulary())
    try:
        if (whole := folder / "tokenizer.json").is_file():
            return Tokenizer.from_file(str(whole))
        vocabulary = json.loads((folder / "vocab.json").read_bytes())
        lines = (folder / "merges.txt").read_text("utf-8").splitlines()
        merges = tuple((left, right) for left, _, right in (line.partition(" ") for line in lines) if right)
        return _tokenizer(vocabulary, merges[1:] if lines and lines[0].startswith("#version") else merges)
    except Exception as error:  # the library raises plain Exception for what it cannot read
        raise WeightsError(f"the tokenizer in {folder} cannot be read ({error}); copy it again") from error


def _tokenizer(vocabulary: dict[str, int], merges: Merges) -> Tokenizer:
    tokenizer = Tokenizer(BPE(vocabulary, list(merges), end_of_word_suffix=END_OF_WORD, unk_token=END))
    tokenizer.normalizer = Sequence([NFC(), Replace(Regex(r"\s+"), " "), Lowercase()])
    tokenizer.pre_tokenizer = Steps([Split(Regex(_WORDS), "removed", invert=True), ByteLevel(add_prefix_space=False)])
    tokenizer.add_special_tokens([START, END])
    return tokenizer
