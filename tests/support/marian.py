"""A translator of tiny size with random weights, as transformers saves a Marian model."""

from __future__ import annotations

import io
import json
from pathlib import Path

import sentencepiece
import torch
from transformers import MarianConfig, MarianMTModel

CHINESE = "红 房子 草地 上 的 蓝色 小船 海边 白猫 夜里"
ENGLISH = "red house on the grass blue boat by the sea white cat at night"


def write_marian(folder: Path) -> Path:
    """Writes the model and its vocabularies, and returns the folder."""
    folder.mkdir()
    pieces = ["</s>", "<unk>", *_write_words(folder / "source.spm", CHINESE)]
    pieces += [piece for piece in _write_words(folder / "target.spm", ENGLISH) if piece not in pieces]
    pieces.append("<pad>")
    numbers = {piece: number for number, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(numbers, ensure_ascii=False))
    (folder / "tokenizer_config.json").write_text(json.dumps({"source_lang": "zho", "target_lang": "eng"}))
    sizes = {"d_model": 16, "max_position_embeddings": 512}
    for part in ("encoder", "decoder"):
        sizes |= {f"{part}_layers": 1, f"{part}_attention_heads": 2, f"{part}_ffn_dim": 32}
    ends = {"eos_token_id": 0, "forced_eos_token_id": 0}
    pads = dict.fromkeys(("pad_token_id", "decoder_start_token_id"), len(pieces) - 1)
    config = MarianConfig(
        vocab_size=len(pieces), static_position_embeddings=True, scale_embedding=True, **sizes, **ends, **pads
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        MarianMTModel(config).save_pretrained(folder)
    return folder


def _write_words(file: Path, sentence: str) -> list[str]:
    """Writes a vocabulary, and returns its pieces without the special ones."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([sentence] * 50),
        model_writer=model,
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=3,
    )
    file.write_bytes(model.getvalue())
    words = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [words.id_to_piece(number) for number in range(3, words.get_piece_size())]
