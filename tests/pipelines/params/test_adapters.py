from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from models.catalog.catalog import Catalog, MisfitError, UnknownModelError
from models.catalog.entry import ModelEntry
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelRef
from models.kinds.lora import LORA
from models.kinds.textual_inversion import TEXTUAL_INVERSION
from models.kinds.vae import TINY_DECODER, VAE
from pipelines.txt2img import Txt2Img, Txt2ImgParams

STYLE = ModelEntry(name="style", aliases=("manner",), path="style", family="embedding")
BAD_HANDS = ModelEntry(name="bad-hands", path="bad-hands", family="embedding", negative=True)

VAES = {"xl": "sdxl", "any": None}
"""What each is for."""


def params(**changes: Any) -> Txt2ImgParams:
    return Txt2ImgParams(**{"text": "a cat", "model": "toy", **changes})


def test_loras_come_from_the_prompt_and_from_lora_scales() -> None:
    both = params(text="a cat <lora:Ink:0.5:0.75> <lora:oil>", lora_scales={"INK": 0.25, "pastel": -1})
    assert both.loras == {"ink": (1.0, 0.75), "pastel": (-1, -1), "oil": (1, 1)}
    assert Txt2Img().needs(both) == (
        ModelRef(CHECKPOINT, "toy"),
        *(ModelRef(LORA, name) for name in ("ink", "pastel", "oil")),
    )
    assert params(lora_scales=None, lora_paths=None).loras == {}


def test_extra_models_are_those_of_each_adapter() -> None:
    adapted = params(embeddings=["style"], ip_adapter={"url": "x"}, decoder="tiny", lora_scales={"ink": 1})
    assert adapted.extra_models == (
        ModelRef(LORA, "ink"),
        ModelRef(TEXTUAL_INVERSION, "style"),
        ModelRef(IP_ADAPTER, base="toy"),
        ModelRef(TINY_DECODER, base="toy"),
    )
    assert params().extra_models == ()


def test_vae_is_one_of_the_models_unless_it_means_the_own_one() -> None:
    assert params(vae="kl-f8").extra_models == (ModelRef(VAE, "kl-f8"),)
    assert [params(vae=name).extra_models for name in ("", "None", "Automatic")] == [()] * 3


def test_vae_that_does_not_fit_is_refused_with_those_that_do(tmp_path: Path) -> None:
    entries = [ModelEntry(name="toy", path=tmp_path, family="sd1")]
    entries += [ModelEntry(name=name, path=tmp_path, family="vae", base=base) for name, base in VAES.items()]
    with pytest.raises(MisfitError, match=r"vae 'xl' is for models of family sdxl.*; these fit: any$"):
        Txt2Img().resolve_names(params(vae="xl"), Catalog(entries))
    with pytest.raises(UnknownModelError, match="there is no VAE 'toy'; there are: any, xl"):
        Txt2Img().resolve_names(params(vae="toy"), Catalog(entries))
    assert Txt2Img().resolve_names(params(vae="any"), Catalog(entries)).vae == "any"


@pytest.mark.parametrize(
    ("changes", "negative", "embeddings"),
    [
        ({}, "bad-hands", ("bad-hands",)),
        ({"text": "in that Manner", "disable_easy_negative": True}, "", ("style",)),
        ({"text": "in style", "embeddings": []}, "bad-hands", ()),
        ({"negative_prompt": "bad-hands, fog"}, "bad-hands, fog", ("bad-hands",)),
    ],
)
def test_with_mentioned_embeddings_adds_what_prompts_mention(
    changes: dict[str, Any], negative: str, embeddings: tuple[str, ...]
) -> None:
    resolved = params(**changes).with_mentioned_embeddings([STYLE, BAD_HANDS])
    assert (resolved.negative_prompt, resolved.embeddings) == (negative, embeddings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": f"a (red:{'9' * 42}) house"}, "text: 'red' has the weight 1e\\+42; weights may be from -100 to 100"),
        ({"negative_prompt": "(" * 5000 + "fog"}, "negative_prompt: more than 100 brackets"),
        ({"text": "<lora:ink:9>" * 2}, "the scales of LoRA 'ink' add up to 18; their sum may be from -10 to 10"),
        ({"lora_scales": {"ink": float("nan")}}, "less than or equal to 10"),
        ({"custom_embeddings": {"zork": [[1e300] * 128]}}, "less than or equal to 1000"),
        ({"custom_embeddings": {"zork": [[float("-inf")]]}}, "finite number"),
    ],
)
def test_numbers_that_would_overflow_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        params(**changes)


def test_loras_get_other_names() -> None:
    both = params(text="a cat <lora:0123456789:0.5>", lora_scales={"0123456789": 0.25, "Ink": 1})
    renamed = both.with_lora_names({"0123456789": "ink"})
    assert renamed.text == "a cat <lora:ink:0.5>"
    assert renamed.loras == {"ink": (1.75, 1.75)}
    assert both.with_lora_names({}) is both
