"""What a failed task reports."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from models.catalog.entry import ModelEntry
from models.finite import NotFiniteError
from pipelines.engine.failures import failure
from pipelines.engine.sampling.samplers import SamplerError


class OverloadedError(Exception):
    code = "overloaded"


def test_failure_out_of_memory_advises_smaller_size() -> None:
    failed = failure("attempt", torch.OutOfMemoryError("CUDA out of memory"))
    assert (failed.attempt_id, failed.code) == ("attempt", "out_of_memory")
    assert "smaller" in failed.message


def test_failure_keeps_code_and_message_of_exceptions_with_code() -> None:
    failed = failure("attempt", OverloadedError("come back later"))
    assert (failed.code, failed.message) == ("overloaded", "come back later")
    assert failure("attempt", SamplerError("no such sigmas")).code == "bad_input"


def test_failure_of_other_exceptions_is_internal_and_has_traceback() -> None:
    try:
        raise ZeroDivisionError("division by zero")
    except ZeroDivisionError as error:
        failed = failure("attempt", error)
    assert failed.code == "internal"
    assert "ZeroDivisionError: division by zero" in failed.message
    assert failed.trace.startswith("Traceback")
    assert "test_failures.py" in failed.trace


def test_failure_of_bad_numbers_names_the_file(tmp_path: Path) -> None:
    save_file({"lora.down": torch.tensor([float("nan")])}, tmp_path / "ink.safetensors")
    entry = ModelEntry(name="ink", path=tmp_path / "ink.safetensors", family="lora")
    failed = failure("attempt", NotFiniteError("the denoiser returned NaN or infinity"), [entry])
    assert failed.code == "not_finite"
    assert failed.message.startswith(
        "the denoiser returned NaN or infinity; ink.safetensors of model 'ink' is the cause"
    )
