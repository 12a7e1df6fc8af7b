"""Encodes the prompts of an image for each of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.diffusion.prompt_schedule import refuse_too_much_text, split_parts, texts_by_step
from models.diffusion.prompt_syntax import parse

if TYPE_CHECKING:
    from models.conditioning import Prompts
    from models.diffusion.checkpoint import Checkpoint


def check_prompt(texts: Sequence[str], steps: int) -> None:
    """Raises PromptError for prompts that cannot be encoded for `steps` steps."""
    forms = {form for text in texts for form in texts_by_step(text, steps)}
    refuse_too_much_text(forms)
    for form in forms:
        parse(form)


def encode_steps(
    checkpoint: Checkpoint, text: str, negative: str | None, steps: int, *, clip_skip: int, width: int, height: int
) -> tuple[Prompts, ...]:
    """The prompts of each of `steps` steps; one if they stay the same.

    negative: None: no guidance.
    clip_skip, width, height: as in `Checkpoint.encode_prompts`.

    Raises PromptError, and what `Checkpoint.encode_prompts` raises.
    """
    from models.conditioning import Prompts

    parts = split_parts(text)
    forms = [texts_by_step(part.text, steps) for part in parts]
    negative_forms = () if negative is None else texts_by_step(negative, steps)
    positive_texts = list(dict.fromkeys(text for each in forms for text in each))
    negative_texts = list(dict.fromkeys(negative_forms))
    encoded = checkpoint.encode_prompts(positive_texts, negative_texts, clip_skip=clip_skip, width=width, height=height)
    positives = dict(zip(positive_texts, encoded[0], strict=True))
    negatives = dict(zip(negative_texts, encoded[1], strict=True))
    return tuple(
        Prompts(
            tuple(positives[_at(each, step)] for each in forms),
            negatives[_at(negative_forms, step)] if negative_forms else None,
            tuple(part.weight for part in parts),
        )
        for step in range(max(map(len, (*forms, negative_forms))))
    )


def _at(forms: Sequence[str], step: int) -> str:
    return forms[step] if len(forms) > 1 else forms[0]
