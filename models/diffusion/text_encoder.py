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
    """`clip_skip` leaves out more layers than the text encoder has."""

    code = "bad_input"


@dataclass(frozen=True, slots=True)
class Encoding:
    """The output of one text encoder for a prompt."""

    states: Tensor
    """[chunks, 77, width]"""
    pooled: Tensor
    """[1, width]: the pooled state of the first chunk, projected if the encoder has a projection."""


class TextEncoder:
    """A tokenizer and its CLIP text model."""

    def __init__(
        self,
        tokenizer: CLIPTokenizer,
        model: CLIPTextModel | CLIPTextModelWithProjection,
        *,
        normalised: bool,
        left_out: int = 0,
    ) -> None:
        """`normalised`: hidden states pass the final layer norm, as SD 1 and 2 were trained; SDXL was not.

        `left_out`: layers that are always left out at the end (SDXL: one).
        """
        self.model = model
        self.width = int(model.config.hidden_size)
        self._tokenizer = tokenizer
        self._normalised = normalised
        self._left_out = left_out
        self._comma = tokenizer.convert_tokens_to_ids(",</w>")

    @property
    def max_clip_skip(self) -> int:
        """How many layers can be left out, in addition to those that always are."""
        return int(self.model.config.num_hidden_layers) - self._left_out - 1

    @property
    def tokens(self) -> int:
        """How many tokens the tokenizer knows."""
        return len(self._tokenizer)

    def encode(self, prompt: str, clip_skip: int, inversions: Sequence[Inversion] = ()) -> Encoding:
        """Raises ClipSkipError, EmbeddingError.

        `clip_skip` layers are left out in addition to those that always are. `inversions` replace their words.
        """
        vectors = {each.word: each.for_width(self.width) for each in inversions}
        parts = chunks(prompt, self._tokenizer_with(vectors), self._comma)
        ids = self._ids(parts)
        with self._embedded_vectors(ids, vectors):
            output = self.model(ids.clamp(min=0), output_hidden_states=True)
        states = output.hidden_states
        depth = clip_skip + self._left_out + 1
        if depth >= len(states):
            most = len(states) - self._left_out - 2
            raise ClipSkipError(
                f"clip_skip {clip_skip} leaves no layer of this model's text encoder; set it to at most {most}"
            )
        chosen = states[-depth]
        if self._normalised:
            inner = self.model.text_model if isinstance(self.model, CLIPTextModelWithProjection) else self.model
            chosen = inner.final_layer_norm(chosen)
        pooled = output.text_embeds if isinstance(self.model, CLIPTextModelWithProjection) else output.pooler_output
        return Encoding(_emphasise(chosen, parts), pooled[:1])

    def _tokenizer_with(self, vectors: dict[str, Tensor]) -> Callable[[str], list[list[int]]]:
        """A tokenizer that replaces each word with one group of the tokens -1, -2… of its vectors, numbered through all
        words."""
        if not vectors:
            return self._tokenize
        pattern, tokens, count = any_of(vectors), {}, 0
        for word, rows in vectors.items():
            tokens[word] = [-1 - count - row for row in range(len(rows))]
            count += len(rows)

        def tokenize(text: str) -> list[list[int]]:
            groups: list[list[int]] = []
            end = 0
            for match in pattern.finditer(text):
                word = next(word for word in vectors if any_of([word]).fullmatch(match.group()))
                groups += [*self._tokenize(text[end : match.start()]), tokens[word]]
                end = match.end()
            return groups + self._tokenize(text[end:])

        return tokenize

    @contextmanager
    def _embedded_vectors(self, ids: Tensor, vectors: dict[str, Tensor]) -> Iterator[None]:
        """Within this block negative tokens are embedded as their vectors."""
        if not vectors:
            yield
            return
        table = torch.cat(list(vectors.values())).to(self.model.device, self.model.dtype)

        def replace(_: nn.Module, __: object, embedded: Tensor) -> Tensor:
            replacements = table[(-1 - ids).clamp(min=0)]
            return torch.where((ids < 0)[..., None], replacements, embedded)

        hook = self.model.get_input_embeddings().register_forward_hook(replace)
        try:
            yield
        finally:
            hook.remove()

    def _tokenize(self, text: str) -> list[list[int]]:
        return [[token] for token in self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids]

    def _ids(self, parts: Sequence[Chunk]) -> Tensor:
        start, end, pad = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id, self._tokenizer.pad_token_id
        rows = [[start, *part.tokens, end] + [pad] * (CHUNK - len(part.tokens)) for part in parts]
        return torch.tensor(rows, device=self.model.device)


def _emphasise(states: Tensor, parts: Sequence[Chunk]) -> Tensor:
    """Multiplies each token's state [77, width] by its weight and restores the mean of the chunk, as A1111 does.

    Chunks whose weights are all 1 stay unchanged.
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
        # A mean near zero does not measure strength: dividing by it would make the states huge.
        if after.mean().abs() > 1e-3 * after.abs().mean():
            after = after * (before.mean() / after.mean())
        emphasised[row] = after.to(states.dtype)
    return emphasised
