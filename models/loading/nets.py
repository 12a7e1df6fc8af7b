"""Reads a net of diffusers or transformers from a folder with its config and its weights: whole, or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from accelerate import init_empty_weights
from diffusers import ModelMixin
from torch import Tensor
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from models.files.weights_error import WeightsError, one_line
from models.loading.fill import changes_of_weights, check_whole, fill
from models.loading.folder_files import read_json, weight_files
from models.loading.tensors import read_tensors

D = TypeVar("D", bound=ModelMixin)
T = TypeVar("T", bound=PreTrainedModel)


def read_diffusers_net(net_class: type[D], folder: Path, dtype: torch.dtype) -> D:
    """A net of this class on the CPU. Raises WeightsError."""
    files = weight_files(folder)
    net = empty_diffusers_net(net_class, read_json(folder / "config.json"), str(folder))
    tensors = read_tensors(*files, dtype=dtype)
    net._fix_state_dict_keys_on_load(tensors)  # autoencoders saved before 2023 name their attention differently
    fill(net, tensors, dtype, str(files[0]))
    return net


def empty_diffusers_net(net_class: type[D], config: Mapping[str, Any], source: str) -> D:
    """A net of this config whose weights take no memory: they are on the meta device. Raises WeightsError."""
    with refused_by_name(f"the config of {source} describes no {net_class.__name__}"), init_empty_weights():
        net: D = net_class.from_config(dict(config))
    net.eval()
    return net


def read_transformers_net(net_class: type[T], folder: Path, dtype: torch.dtype, *, unused: str = r"(?!)") -> T:
    """A net of this class, or of the one that an auto class chooses, on the CPU. Raises WeightsError.

    `unused` matches the names of weights that the net declares and does not use, so that a file may lack them.
    """
    transformers_logging.disable_progress_bar()
    files = weight_files(folder)
    read_json(folder / "config.json")
    with refused_by_name(f"the config of {folder} describes no {net_class.__name__}"):
        config, chosen = _choose(net_class, folder)
    tensors = read_tensors(*files, dtype=dtype)
    net: T = fill_transformers_net(chosen, config, tensors, dtype, str(files[0]), unused=unused)
    return net


def fill_transformers_net(
    net_class: type[T],
    config: PreTrainedConfig,
    tensors: Mapping[str, Tensor],
    dtype: torch.dtype,
    source: str,
    *,
    unused: str = r"(?!)",
) -> T:
    """A net of this config with these weights; `source` names their file in errors. Raises WeightsError."""
    with refused_by_name(f"{source} does not fit its config"), _quiet():
        net, info = net_class.from_pretrained(
            None, config=config, state_dict=tensors, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
        )
    check_whole(
        source,
        missing=(name for name in info["missing_keys"] if not re.search(unused, name)),
        unexpected=changes_of_weights(info["unexpected_keys"], net.state_dict().keys()),
        wrong=(name for name, *_ in info["mismatched_keys"]),
    )
    result: T = net
    return result


def _choose(net_class: Any, folder: Path) -> tuple[PreTrainedConfig, Any]:
    """The config of a folder, and the class of its net."""
    if issubclass(net_class, PreTrainedModel):
        return net_class.config_class.from_pretrained(folder, local_files_only=True), net_class
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        return config, type(net_class.from_config(config))


@contextmanager
def refused_by_name(fault: str) -> Iterator[None]:
    """Turns an error of a library in this block into a WeightsError that begins with `fault`."""
    try:
        yield
    except (WeightsError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # what libraries raise for broken files has no common class
        raise WeightsError(
            f"{fault} ({type(error).__name__}: {one_line(error)}); copy it from the original model, or correct the "
            "family of its entry"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's report of missing weights: it is an error here, which says the same."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
