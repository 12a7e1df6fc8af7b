"""Textual inversion compared with that of diffusers; it leaves no trace in the model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file, save_file

from models.adapters.textual_inversion import MOST_VECTORS, Embedding, EmbeddingError, Inversion, inversion_of, read
from models.catalog.catalog import Catalog
from models.diffusion.prompt_syntax import CHUNK
from models.kinds.kind import ModelRef
from models.kinds.textual_inversion import TEXTUAL_INVERSION
from models.loaded_model import LoadedModel
from models.registry import loaders
from tests.support.nets import text_encoder_of

CPU = torch.device("cpu")
SIZE = {"clip_skip": -1, "width": 64, "height": 64}


def embedding(toys: Catalog, name: str) -> Embedding:
    loaded = loaders.load(toys.find(ModelRef(TEXTUAL_INVERSION, name)), CPU, torch.float32)
    assert isinstance(loaded, Embedding)
    return loaded


def states(toy: Any, text: str, **options: Any) -> torch.Tensor:
    embeds: torch.Tensor = toy.encode_prompt(text, None, **{**SIZE, **options})[0].embeds
    return embeds


def test_prompt_with_vectors_equals_diffusers(
    checkpoints: dict[str, LoadedModel], toys: Catalog, models_dir: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = DiffusionPipeline.from_pretrained(models_dir / "toy-sd1", local_files_only=True)
    vectors = load_file(models_dir / "toy-embedding.safetensors")["emb_params"].float()
    pipe.load_textual_inversion({"<toy>": vectors}, token="<toy>")
    prompt = "a red apple, {} on a table, {}"
    expected = pipe.encode_prompt(prompt.format("<toy>", "<toy>"), "cpu", 1, False)[0]
    toy: Any = checkpoints["sd1"]
    installed = toy.adapted(inversions=embedding(toys, "toy-embedding").inversions)
    own = toy.adapted(inversions=[inversion_of("My <Word>", vectors.tolist())])
    for ours in (
        states(installed, prompt.format("Toy-Embedding", "easynegative")),
        states(own, prompt.format("my <word>", "MY <WORD>")),
    ):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_each_encoder_of_sdxl_gets_its_own_vectors(
    checkpoints: dict[str, LoadedModel], toys: Catalog, models_dir: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = DiffusionPipeline.from_pretrained(models_dir / "toy-sdxl", local_files_only=True)
    vectors = load_file(models_dir / "toy-embedding-xl.safetensors")
    for name, suffix in (("clip_l", ""), ("clip_g", "_2")):
        encoder, tokenizer = getattr(pipe, f"text_encoder{suffix}"), getattr(pipe, f"tokenizer{suffix}")
        pipe.load_textual_inversion(
            {"<toy>": vectors[name].float()}, token="<toy>", text_encoder=encoder, tokenizer=tokenizer
        )
    expected, _, pooled, _ = pipe.encode_prompt("a red <toy>", device="cpu", do_classifier_free_guidance=False)
    toy: Any = checkpoints["sdxl"]
    worn = toy.adapted(inversions=embedding(toys, "toy-embedding-xl").inversions)
    ours, _ = worn.encode_prompt("a red toy-embedding-xl", None, **SIZE)
    torch.testing.assert_close(ours.embeds, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.extras["text_embeds"], pooled, rtol=1e-4, atol=1e-5)


def test_inversions_leave_no_trace_and_are_cached(checkpoints: dict[str, LoadedModel], toys: Catalog) -> None:
    toy: Any = checkpoints["sd1"]
    toy.to(CPU)  # clears the cache of encodings
    text = "a cat, toy-embedding"
    # Private: an inversion must not add tokens to the tokenizer, which has no public way to ask.
    plain, tokens = states(toy, text), len(text_encoder_of(toy)._tokenizer)
    worn = toy.adapted(inversions=embedding(toys, "toy-embedding").inversions)
    other = toy.adapted(inversions=[inversion_of("toy-embedding", torch.randn(1, 128).tolist())])
    assert len({float(states(each, text)[0, -1, 0]) for each in (toy, worn, other)}) == 3
    toy.to(CPU)
    assert torch.equal(states(toy, text), plain)
    assert len(text_encoder_of(toy)._tokenizer) == tokens
    assert torch.equal(states(worn, "a cat"), states(toy, "a cat"))


def test_vectors_count_as_tokens_and_take_weights(checkpoints: dict[str, LoadedModel]) -> None:
    toy: Any = checkpoints["sd1"]
    worn = toy.adapted(inversions=[inversion_of("sks", torch.randn(40, 128).tolist())])
    assert states(worn, "sks").shape[1] == 77
    assert states(worn, "sks, sks").shape[1] == 2 * 77
    weighed, plain = states(worn, "a (sks:1.5)")[0], states(worn, "a sks")[0]
    ratio = (weighed / plain)[:, 0]
    torch.testing.assert_close(ratio[2:42], 1.5 * ratio[1].expand(40), rtol=1e-3, atol=1e-3)


def test_vectors_stay_in_one_chunk(checkpoints: dict[str, LoadedModel]) -> None:
    """Behind 70 words the embedding begins the second chunk, as if BREAK stood before it."""
    toy: Any = checkpoints["sd1"]
    worn = toy.adapted(inversions=[inversion_of("sks", torch.randn(10, 128).tolist())])
    words = "house " * 70
    torch.testing.assert_close(states(worn, words + "sks, a cat"), states(worn, words + "BREAK sks, a cat"))


@pytest.mark.parametrize("longer", ["prompt", "negative"])
@pytest.mark.parametrize(("family", "widths"), [("sd1", (128,)), ("sdxl", (32, 64))])
def test_prompt_and_negative_have_equally_many_chunks(
    checkpoints: dict[str, LoadedModel], family: str, widths: tuple[int, ...], longer: str
) -> None:
    """The shorter one is padded with the chunk of an empty prompt, for each text encoder."""
    toy: Any = checkpoints[family]
    vectors = tuple(torch.randn(10, width) for width in widths)
    worn = toy.adapted(inversions=[Inversion("sks", vectors, "digest")])
    texts = ("house " * 70 + "sks", "a cat")
    first, second = texts if longer == "prompt" else texts[::-1]
    prompt, negative = worn.encode_prompt(first, second, **SIZE)
    assert prompt.embeds.shape == negative.embeds.shape == (1, 2 * 77, sum(widths))
    short = negative if longer == "prompt" else prompt
    empty, _ = worn.encode_prompt("", None, **SIZE)
    torch.testing.assert_close(short.embeds[:, 77:], empty.embeds)


def test_vectors_of_another_width_are_refused(checkpoints: dict[str, LoadedModel]) -> None:
    toy: Any = checkpoints["sd1"]
    plain = states(toy, "sks")
    with pytest.raises(EmbeddingError, match="'sks' have 768 numbers each, but a text encoder of this model takes 128"):
        states(toy.adapted(inversions=[inversion_of("sks", [[0.0] * 768])]), "sks")
    toy.to(CPU)
    assert torch.equal(states(toy, "sks"), plain)


def test_read_every_layout(tmp_path: Path) -> None:
    vectors = torch.randn(3, 8)
    for name, saved in (("emb_params", vectors), ("<my-word>", vectors[0])):
        save_file(
            {name: saved, **({"step": torch.ones(1)} if name == "emb_params" else {})}, tmp_path / "x.safetensors"
        )
        (result,) = read(tmp_path / "x.safetensors")
        assert torch.equal(result, saved.reshape(-1, 8))
    save_file({"clip_g": vectors, "clip_l": vectors[:, :4].contiguous()}, tmp_path / "x.safetensors")
    assert [tuple(each.shape) for each in read(tmp_path / "x.safetensors")] == [(3, 4), (3, 8)]
    for wrong in ({"a": vectors, "b": vectors + 1}, {"emb_params": vectors[None]}, {}):
        save_file(wrong, tmp_path / "x.safetensors")
        with pytest.raises(EmbeddingError, match="or a single tensor of vectors"):
            read(tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            {"emb_params": torch.zeros(MOST_VECTORS + 1, 8)},
            "has 76 vectors; an embedding may have 1 to 75",
        ),
        ({"emb_params": torch.zeros(0, 8)}, "x.safetensors has 0 vectors"),
        ({"clip_l": torch.zeros(8, 4), "clip_g": torch.zeros(4, 8)}, "8 vectors for one text encoder and 4 for"),
    ],
)
def test_number_of_vectors_is_limited(tensors: dict[str, torch.Tensor], message: str, tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(EmbeddingError, match=message):
        read(tmp_path / "x.safetensors")
    assert MOST_VECTORS == CHUNK


@pytest.mark.parametrize("value", [float("nan"), 1e300])
def test_vectors_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    save_file({"emb_params": torch.full((2, 8), value, dtype=torch.float64)}, tmp_path / "x.safetensors")
    with pytest.raises(EmbeddingError, match=r"x\.safetensors has vectors with NaN or infinity"):
        read(tmp_path / "x.safetensors")
