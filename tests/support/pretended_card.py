"""Tensors on a CUDA device that is not there: numbers on the CPU under the card's name.

An operation that mixes devices fails as it does on a card, and so does `numpy()` of a tensor on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map, tree_map_only

from tests.support.fake_cuda import CUDA, FakeCuda, fake_cuda

aten = torch.ops.aten
COPIES = (aten.copy_.default, aten._to_copy.default)
INDEXED = (aten.index.Tensor, aten.index_put_.default, aten.index_put.default)
"""Their indices may be on the CPU."""


class OnCard(Tensor):
    numbers: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> OnCard:
        tensor = Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device="meta",  # what C++ sees, for it would ask the driver for a device of another kind
        )
        tensor.numbers = values
        return tensor

    __torch_function__ = torch._C._disabled_torch_function_impl
    device = CUDA
    is_cuda = True
    is_meta = False

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, other: OnCard) -> None:
        self.numbers = other.numbers

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(function, args, kwargs or {})


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(function, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """Those that ask the driver before they reach `_Operations`."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is torch.tensor and torch.device(kwargs.get("device") or "cpu").type == "cuda":
            return OnCard(function(*args, **{**kwargs, "device": torch.device("cpu")}))
        if function is scaled_dot_product_attention:
            _refuse_mixed(function, args, kwargs)
            result = function(*_values(args), **_values(kwargs))
            return OnCard(result) if _on_card(args) else result
        return function(*args, **kwargs)


def _compute(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, OnCard)]
    _refuse_mixed(function, args, kwargs)
    if function is aten._pin_memory.default:
        return args[0].clone()
    if function is aten.is_pinned.default:
        return True
    device = kwargs.get("device")
    to_card = bool(given) if device is None else torch.device(device).type in ("cuda", "meta")
    if function is aten.copy_.default:
        to_card = isinstance(args[0], OnCard)
    if device is not None:
        kwargs = {**kwargs, "device": torch.device("cpu"), "pin_memory": False}
        kwargs = {name: value for name, value in kwargs.items() if name != "pin_memory" or _takes_pinned(function)}
    results = function(*_values(args), **_values(kwargs))
    if function is aten._to_copy.default and device is not None and results is args[0]:
        results = results.clone()
    owners = {id(each.numbers): each for each in given}

    def wrap(each: Tensor) -> Tensor:
        if not to_card:
            return each
        owner = owners.get(id(each))
        return OnCard(each) if owner is None else owner

    return tree_map_only(Tensor, wrap, results)


def _takes_pinned(function: Any) -> bool:
    return any(argument.name == "pin_memory" for argument in function._schema.arguments)


def _refuse_mixed(function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> None:
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    if function in INDEXED:
        tensors = [args[0], *(each for each in args[2:3])]
    hosts = [each for each in tensors if not isinstance(each, OnCard) and each.dim()]
    if function not in COPIES and hosts and len(hosts) < len([each for each in tensors if each.dim()]):
        on = [each.device.type for each in tensors]
        raise RuntimeError(f"{function} gets tensors on different devices: {on}")


def _on_card(tree: Any) -> bool:
    return any(isinstance(each, OnCard) for each in tree_leaves(tree))


def _values(tree: Any) -> Any:
    return tree_map(lambda each: each.numbers if isinstance(each, OnCard) else each, tree)


def _enter_inference(self: Any) -> None:
    """A view of a subclass cannot be made in inference mode."""
    self.no_grad = torch.no_grad()
    self.no_grad.__enter__()


@contextmanager
def pretended_card() -> Iterator[FakeCuda]:
    """For the calling thread."""
    with pytest.MonkeyPatch.context() as patched, fake_cuda() as cuda, _Functions(), _Operations():
        patched.setattr(torch.inference_mode, "__enter__", _enter_inference)
        patched.setattr(torch.inference_mode, "__exit__", lambda self, *error: self.no_grad.__exit__(*error))
        yield cuda
