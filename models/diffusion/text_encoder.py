"""One CLIP text encoder with its tokenizer: prompts in, weighted hidden states out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from models.adapters.textual_inversion import Inversion
from models.diffusion.prompt_syntax import CHUNK, Chunk, chunks
from models.diffusion.word_match import any_of


class ClipSkipError(ValueError):
    """More layers are to be left out than the text encoder has."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """What one text encoder made of a prompt."""

    states: Tensor
    """[chunks, 77, width]"""
    pooled: Tensor
    """[1, width] of the first chunk: its projection, where the encoder has one."""


class TextEncoder:
    """`normalised`: hidden states pass the final layer norm, as SD 1 and 2 were trained; SDXL's do not.

    `left_out`: layers always left out at the end (SDXL: one).
    """

    def __init__(
        self,
        tokenizer: CLIPTokenizer,
        model: CLIPTextModel | CLIPTextModelWithProjection,
        *,
        normalised: bool,
        left_out: int = 0,
    ) -> None:
        self.model = model
        self.width = int(model.config.hidden_size)
        self._tokenizer = tokenizer
        self._normalised = normalised
        self._left_out = left_out
        self._comma = tokenizer.convert_tokens_to_ids(",</w>")

    def encode(self, prompt: str, clip_skip: int, inversions: Sequence[Inversion] = ()) -> Encoding:
        """Raises ClipSkipError, EmbeddingError. `clip_skip` counts layers left out besides those that always are;
        `inversions` stand in for their words."""
        vectors = {each.word: each.for_width(self.width) for each in inversions}
        parts = chunks(prompt, self._with_stand_ins(vectors), self._comma)
        ids = self._ids(parts)
        with self._standing_in(ids, vectors):
            output = self.model(ids.clamp(min=0), output_hidden_states=True)
        states = output.hidden_states
        depth = clip_skip + self._left_out + 1
        if depth >= len(states):
            most = len(states) - self._left_out - 2
            raise ClipSkipError(
                f"clip_skip {clip_skip} leaves nothing of this model's text encoder; give at most {most}"
            )
        chosen = states[-depth]
        if self._normalised:
            inner = self.model.text_model if isinstance(self.model, CLIPTextModelWithProjection) else self.model
            chosen = inner.final_layer_norm(chosen)
        pooled = output.text_embeds if isinstance(self.model, CLIPTextModelWithProjection) else output.pooler_output
        return Encoding(_emphasise(chosen, parts), pooled[:1])

    def _with_stand_ins(self, vectors: dict[str, Tensor]) -> Callable[[str], list[int]]:
        """A tokenizer that makes -1, -2… of the vectors, counted through all words."""
        if not vectors:
            return self._tokenize
        pattern, numbers, first = any_of(vectors), {}, 0
        for word, rows in vectors.items():
            numbers[word] = [-1 - first - row for row in range(len(rows))]
            first += len(rows)

        def tokenize(text: str) -> list[int]:
            ids: list[int] = []
            end = 0
            for match in pattern.finditer(text):
                word = next(word for word in vectors if any_of([word]).fullmatch(match.group()))
                ids += self._tokenize(text[end : match.start()]) + numbers[word]
                end = match.end()
            return ids + self._tokenize(text[end:])

        return tokenize

    @contextmanager
    def _standing_in(self, ids: Tensor, vectors: dict[str, Tensor]) -> Iterator[None]:
        """Within this block, tokens below 0 are embedded as the vectors that they count. The model is not changed."""
        if not vectors:
            yield
            return
        table = torch.cat(list(vectors.values())).to(self.model.device, self.model.dtype)

        def put(_: nn.Module, __: object, embedded: Tensor) -> Tensor:
            chosen = table[(-1 - ids).clamp(min=0)]
            return torch.where((ids < 0)[..., None], chosen, embedded)

        hook = self.model.get_input_embeddings().register_forward_hook(put)
        try:
            yield
        finally:
            hook.remove()

    def _tokenize(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        return ids

    def _ids(self, parts: Sequence[Chunk]) -> Tensor:
        start, end, pad = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id, self._tokenizer.pad_token_id
        rows = [[start, *part.tokens, end] + [pad] * (CHUNK - len(part.tokens)) for part in parts]
        return torch.tensor(rows, device=self.model.device)


def _emphasise(states: Tensor, parts: Sequence[Chunk]) -> Tensor:
    """Multiplies each token's state [77, width] by its weight and restores the mean of the chunk, as A1111 does.

    Chunks whose weights are all one come back untouched.
    """
    if all(weight == 1.0 for part in parts for weight in part.weights):
        return states
    emphasised = states.clone()
    for row, part in enumerate(parts):
        if all(weight == 1.0 for weight in part.weights):
            continue
        weights = torch.ones(states.shape[1], 1, device=states.device)
        weights[1 : 1 + len(part.weights), 0] = torch.tensor(part.weights, device=states.device)
        before = states[row].float()
        after = before * weights
        # A mean of about nothing is no measure of strength: dividing by it would blow the states up.
        if after.mean().abs() > 1e-3 * after.abs().mean():
            after = after * (before.mean() / after.mean())
        emphasised[row] = after.to(states.dtype)
    return emphasised
