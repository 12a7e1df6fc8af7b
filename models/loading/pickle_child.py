"""Converts a pickle to safetensors: `python -m models.loading.pickle_child PICKLE TARGET`.

A process of its own, for a pickle may attack the code that reads it: torch reads nothing but tensors from it, without
network and with little memory.
"""

from __future__ import annotations

import os
import struct
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.atomic_write import replacing
from models.files.weights_error import WeightsError, one_line
from models.loading.sandbox import forbid_network, limit_memory

WRAPPERS = "state_dict", "params_ema", "params", "model_state_dict", "model", "g_ema", "generator"
"""Keys under which trainers put the weights, the averaged ones first."""
COPIES = 3
"""Times the size of the file that reading and writing may take: the tensors, those made contiguous, the new file."""
SPARE = 2**30
_TRAINERS = "pytorch_lightning.", "lightning.", "lightning_fabric.", "omegaconf."
"""Classes of the training that old checkpoints hold beside the weights; they are read as empty objects."""


def main(source: Path, target: Path) -> None:
    """Raises WeightsError."""
    try:
        forbid_network()
        import torch
        from safetensors.torch import save_file

        size = source.stat().st_size
        limit_memory(COPIES * size + SPARE)
        tensors = tensors_of(_load(source))
        if not tensors:
            raise WeightsError(f"{source.name} holds no tensors; it is no model")
        with torch.no_grad(), replacing(target) as draft:
            save_file(_separate(tensors), draft, {"format": "pt"})
            draft.chmod(source.stat().st_mode & 0o666)
            link_new(draft, target)
    except (MemoryError, OSError, RuntimeError) as error:
        raise WeightsError(f"{source.name} cannot be converted ({one_line(error)})") from error


def tensors_of(content: Any) -> dict[str, Any]:
    """The tensors of what a pickle holds, by name, without the wrappers of trainers."""
    import torch

    while isinstance(content, Mapping):
        if isinstance(words := content.get("string_to_param"), Mapping):
            vectors = next(iter(words.values()), None)
            return {"emb_params": vectors} if isinstance(vectors, torch.Tensor) else {}
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            return {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
        content = inner
    return {}


def link_new(draft: Path, target: Path) -> None:
    """Gives a draft a second name, which no file may have yet. Raises FileExistsError."""
    try:
        os.link(draft, target)
    except OSError:
        # Some file systems have no links; the draft is then renamed, which would replace a file.
        if target.exists():
            raise


def _load(source: Path) -> Any:
    import pickle

    import torch

    stubs: list[Any] = []
    try:
        unknown = torch.serialization.get_unsafe_globals_in_checkpoint(source)
        stubs = [(type("Empty", (), {}), name) for name in unknown if name.startswith(_TRAINERS)]
    except (ValueError, RuntimeError, pickle.UnpicklingError):
        pass  # Only files of the newer format list their classes.
    try:
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(stubs):
            return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = next((line for line in str(error).splitlines() if "GLOBAL" in line), one_line(error))
        raise WeightsError(
            f"{source.name} holds more than tensors, which may be an attack ({one_line(Exception(reason))}); get the "
            "model as safetensors"
        ) from error
    except (
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        AssertionError,
        struct.error,
    ) as error:
        raise WeightsError(
            f"{source.name} is damaged or no pickle of torch ({one_line(error)}); copy it again"
        ) from error


def _separate(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors that share no memory, as the format needs it."""
    used: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        whole = tensor.detach().contiguous()
        storage = whole.untyped_storage()
        if storage.data_ptr() in used or storage.nbytes() != whole.nbytes:
            whole = whole.clone()
        used.add(whole.untyped_storage().data_ptr())
        separate[name] = whole
    return separate


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except WeightsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        sys.exit(1)
