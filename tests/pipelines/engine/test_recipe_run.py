"""A picture of numbers that are not finite never succeeds, wherever in the task they appear."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.adapters.lora import Lora
from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.diffusion.checkpoint import Checkpoint
from models.registry.registry import Registry
from pipelines.engine.engine import Engine
from pipelines.engine.events import Failed, Finished
from pipelines.sampler_names import SAMPLERS
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Shelf, Studio, run_dry
from tests.support.nets import text_encoder_of, unet_of

# diffusers rounds noise levels past the end of their range.
pytestmark = pytest.mark.filterwarnings("ignore:Should have ta>=t0:UserWarning")

TXT2IMG = Txt2Img()
SMALL: dict[str, Any] = {"text": "a cat", "model": "toy-sd1", "w": 64, "h": 64, "seed": 1}


@contextmanager
def one_bad_number(net: torch.nn.Module, value: float, call: int) -> Iterator[None]:
    """In one call of a net, one number of each row of its output is this value."""
    calls = 0

    def spoil(_: object, __: object, output: tuple[torch.Tensor, ...]) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            output[0][:, 1, 2, 3] = value

    hook = net.register_forward_hook(spoil)
    try:
        yield
    finally:
        hook.remove()


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
@pytest.mark.parametrize("call", [1, 3])
def test_one_bad_number_in_one_step_fails_the_task_with_any_sampler(
    engine: Engine, sd1: Checkpoint, value: float, call: int
) -> None:
    for name in SAMPLERS:
        engine.add(name, TXT2IMG, TXT2IMG.Params(**SMALL, sampler=name, num_steps=4), {})
    with one_bad_number(unet_of(sd1), value, call):
        failed = [event for event in run_dry(engine) if isinstance(event, Failed)]
    assert not [event.message for event in failed if event.code != "not_finite"]
    assert {(event.attempt_id, event.code) for event in failed} == {(name, "not_finite") for name in SAMPLERS}
    assert "the denoiser of model 'toy-sd1' returned NaN or infinity; the files" in failed[0].message


def test_neighbours_of_a_bad_task_are_finished(engine: Engine, sd1: Checkpoint) -> None:
    with one_bad_number(unet_of(sd1), float("nan"), 1):
        engine.add("bad", TXT2IMG, TXT2IMG.Params(**SMALL, num_steps=3, highres_info={}), {})
        events = engine.step()
        engine.add("good", TXT2IMG, TXT2IMG.Params(**SMALL, num_steps=3), {})
        ends = {event.attempt_id: event for event in (*events, *run_dry(engine))}
    assert isinstance(ends["bad"], Failed)
    assert not isinstance(ends["good"], Failed)


def test_conditioning_that_is_not_finite_fails_before_the_first_step(
    engine: Engine, sd1: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = text_encoder_of(sd1)
    encode = encoder.encode

    def spoiled(*arguments: Any) -> Any:
        encoding = encode(*arguments)
        encoding.states[0, 5, 7] = float("nan")
        return encoding

    monkeypatch.setattr(encoder, "encode", spoiled)
    engine.add("task", TXT2IMG, TXT2IMG.Params(**SMALL | {"text": "a text that is not cached"}), {})
    (failed,) = engine.step()
    assert isinstance(failed, Failed)
    assert failed.code == "not_finite"
    assert "the text encoder of model 'toy-sd1' returned NaN or infinity" in failed.message


def spoiled_copy(source: Path, target: Path, part: str) -> ModelEntry:
    """A diffusers folder in which one number of one part is NaN."""
    shutil.copytree(source, target)
    file = next((target / part).glob("*.safetensors"))
    tensors = load_file(file)
    weights = sorted(name for name in tensors if tensors[name].ndim > 1)
    name = next((name for name in weights if name.startswith("decoder.")), weights[-1])
    tensors[name].view(-1)[0] = float("nan")
    save_file(tensors, file, {"format": "pt"})
    return ModelEntry(name=f"bad-{part}", path=target, family="sd1", bytes=1)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("unet", "the denoiser of model 'bad-unet' returned NaN or infinity; diffusion_pytorch_model"),
        ("text_encoder", "the text encoder of model 'bad-text_encoder' returned NaN or infinity; model."),
        ("vae", "the decoder of the autoencoder (VAE), in single precision, returned NaN or infinity; diffusion_"),
    ],
)
def test_a_bad_number_in_a_checkpoint_names_the_file(models_dir: Path, tmp_path: Path, part: str, message: str) -> None:
    entry = spoiled_copy(models_dir / "toy-sd1", tmp_path / "bad", part)
    registry = Registry(Catalog([entry]), torch.device("cpu"), torch.float32, 1 << 40, 0)
    try:
        params = TXT2IMG.Params(**SMALL | {"model": entry.name}, num_steps=2)
        failed = Studio(registry).run(TXT2IMG, params, {})
    finally:
        registry.close()
    assert isinstance(failed, Failed)
    assert failed.code == "not_finite"
    assert message in failed.message


def test_result_says_once_what_of_a_lora_has_no_effect(engine: Engine, shelf: Shelf) -> None:
    shelf.loras = {"ink": Lora("ink", shelf.loras["toy-lora"].updates, ["bundle_emb.x"])}
    params = TXT2IMG.Params(**{**SMALL, "text": "a cat <lora:ink:0.5>"}, num_steps=2, num_samples=2, highres_info={})
    engine.add("a", TXT2IMG, params, {})
    [finished] = [event for event in run_dry(engine) if isinstance(event, Finished)]
    assert finished.result.warnings == ("LoRA 'ink': keys that are not understood have no effect: bundle_emb.x",)
