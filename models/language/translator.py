"""Translators from Chinese to English: Marian, converted to CTranslate2. Free of torch, for the api process runs it.

Junczys-Dowmunt et al., "Marian: Fast Neural Machine Translation in C++", 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError, one_line
from models.kinds.layout import SOURCE_WORDS, TARGET_WORDS

END = "</s>"
THREADS = 2
MAX_TOKENS = 256
"""Of one clause, and of its translation. Marian has positions for 512, and a model that babbles would not stop."""


class Translator:
    """A loaded translator."""

    def __init__(self, entry: ModelEntry) -> None:
        """Raises WeightsError."""
        try:
            import ctranslate2
            import sentencepiece
        except ImportError as error:
            raise WeightsError(f"translator {entry.name} needs the extra hua[translate]; install it") from error
        try:
            self._model = ctranslate2.Translator(str(entry.path), device="cpu", intra_threads=THREADS)
            self._source = sentencepiece.SentencePieceProcessor(model_file=str(entry.path / SOURCE_WORDS))
            self._target = sentencepiece.SentencePieceProcessor(model_file=str(entry.path / TARGET_WORDS))
        except (RuntimeError, OSError, ValueError) as error:
            raise WeightsError(
                f"translator {entry.name} cannot be read ({one_line(error)}); convert it again"
            ) from error

    def translate(self, clauses: Sequence[str]) -> list[str]:
        """The likeliest English words for each clause, one after another (greedy)."""
        tokens = [[*self._source.encode(clause, out_type=str), END] for clause in clauses]
        results = self._model.translate_batch(
            tokens, beam_size=1, max_input_length=MAX_TOKENS, max_decoding_length=MAX_TOKENS
        )
        # Pieces of the source's vocabulary, such as names, keep the mark of a space.
        return [self._target.decode(result.hypotheses[0]).replace("▁", " ").strip() for result in results]


def load(entry: ModelEntry) -> Translator:
    """Raises WeightsError."""
    return Translator(entry)
