"""How many tokens of CLIP a prompt has, and where the text encoder cuts it into chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from tokenizers import Tokenizer

from models.adapters.lora_tags import split_lora_tags
from models.diffusion.prompt_schedule import split_parts, texts_by_step
from models.diffusion.prompt_syntax import chunks
from models.diffusion.word_match import any_of

Span = tuple[int, str]
"""The text of one token, and the number of the stretch of the prompt that it comes from."""


@dataclass(frozen=True, slots=True)
class CountedChunk:
    tokens: int
    """At most 75."""
    text: str


@dataclass(frozen=True, slots=True)
class CountedPrompt:
    """One of the prompts that AND joins."""

    chunks: tuple[CountedChunk, ...]

    @property
    def tokens(self) -> int:
        return sum(chunk.tokens for chunk in self.chunks)


def count_tokens(prompt: str, steps: int, tokenizer: Tokenizer, vectors: Mapping[str, int]) -> list[CountedPrompt]:
    """Each prompt that AND joins, at that of `steps` steps at which it has the most tokens.

    `vectors` are those of each embedding by its name. Raises PromptError, LoraTagError.
    """
    counted = []
    for part in split_parts(split_lora_tags(prompt)[0]):
        forms = [_count(text, tokenizer, vectors) for text in dict.fromkeys(texts_by_step(part.text, steps))]
        counted.append(max(forms, key=lambda form: form.tokens))
    return counted


def _count(text: str, tokenizer: Tokenizer, vectors: Mapping[str, int]) -> CountedPrompt:
    spans: list[Span] = []
    names = any_of(vectors)
    sizes = {name.lower(): size for name, size in vectors.items()}

    def tokenize(piece: str) -> list[list[int]]:
        groups: list[list[int]] = []
        end = 0
        for match in names.finditer(piece):
            groups += encode(piece[end : match.start()])
            size = sizes[match.group().lower()]
            spans.extend([(len(spans), match.group()), *[(len(spans), "")] * (size - 1)])
            groups.append([-1] * size)
            end = match.end()
        return groups + encode(piece[end:])

    def encode(piece: str) -> list[list[int]]:
        encoding = tokenizer.encode(piece, add_special_tokens=False)
        stretch = len(spans)
        last = 0
        for _, end in encoding.offsets:
            spans.append((stretch, piece[last:end]))
            last = max(last, end)
        return [[token] for token in encoding.ids]

    found, first = [], 0
    for chunk in chunks(text, tokenize, tokenizer.token_to_id(",</w>") or -2):
        own = spans[first : first + len(chunk.tokens)]
        first += len(own)
        stretches = ["".join(span for _, span in group) for _, group in groupby(own, key=lambda span: span[0])]
        found.append(CountedChunk(len(chunk.tokens), " ".join(filter(None, map(str.strip, stretches)))))
    return CountedPrompt(tuple(found))
