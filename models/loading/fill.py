"""Fills a net with weights: all that it needs, and nothing that changes what they mean, or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor, nn

from models.files.weights_error import WeightsError

ONLY_TRAINING = ".num_batches_tracked"
"""The end of the names of buffers that matter in training only; files of old versions of torch lack them."""
FAMILY = "correct the family of its entry"


def fill(
    net: nn.Module, tensors: Mapping[str, Tensor], dtype: torch.dtype, source: str, *, advice: str = FAMILY
) -> None:
    """Gives a net, whose parameters may be on the meta device, these tensors in `dtype`.

    The tensors themselves become the parameters where their dtype is right; nothing is copied. `source` names their
    file in errors, `advice` says what else may be wrong. Raises WeightsError.
    """
    expected = net.state_dict()
    check_whole(
        source,
        missing=(name for name in expected.keys() - tensors.keys() if not name.endswith(ONLY_TRAINING)),
        unexpected=tensors.keys() - expected.keys(),
        wrong=(name for name in expected.keys() & tensors.keys() if tensors[name].shape != expected[name].shape),
        advice=advice,
    )
    for name, tensor in tensors.items():
        if expected[name].is_floating_point() and not tensor.is_floating_point():
            raise WeightsError(
                f"{source} has whole numbers ({tensor.dtype}) as {name}, so it is quantised in a way that is not "
                "supported; give it in fp16 or bf16"
            )
    cast = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    net.load_state_dict({name: tensor.contiguous() for name, tensor in cast.items()}, assign=True)


def check_whole(
    source: str,
    *,
    missing: Iterable[str] = (),
    unexpected: Iterable[str] = (),
    wrong: Iterable[str] = (),
    advice: str = FAMILY,
) -> None:
    """Raises WeightsError for any name of a tensor that is missing, unexpected, or of a wrong shape."""
    if names := sorted(wrong):
        raise WeightsError(
            f"{source} does not fit: {_listed(names)} of another shape than its config or its family says; {advice}, "
            "or copy the config of the original model"
        )
    if names := sorted(missing):
        raise WeightsError(
            f"{source} is incomplete, it lacks {_listed(names)}; copy or download the complete file, or {advice}"
        )
    if names := sorted(unexpected):
        raise WeightsError(
            f"{source} has {_listed(names)}, which this net does not know; give the model as its authors saved it, or "
            f"{advice}"
        )


def check_neighbours(source: str, names: Collection[str]) -> None:
    """Raises WeightsError for a tensor beside a weight that changes what it means. For layouts that are converted to
    another one, which leaves out what it does not know."""
    others = (name for name in names if not name.endswith((".weight", ".bias")))
    check_whole(source, unexpected=changes_of_weights(others, names))


def changes_of_weights(unknown: Iterable[str], names: Collection[str]) -> list[str]:
    """Those of the unknown names that change what a weight means: they stand beside a `weight` or below it."""
    return [name for name in unknown if any(f"{each}.weight" in names or each in names for each in _parents(name))]


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _listed(names: list[str]) -> str:
    others = f" and {len(names) - 1} other{'s' * (len(names) > 2)}" if len(names) > 1 else ""
    return f"{names[0]}{others}"
