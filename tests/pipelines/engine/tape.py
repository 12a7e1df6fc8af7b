"""What a CUDA graph does, on the CPU: the same operations on the same memory, whatever Python would say by now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from pipelines.engine.execution.cuda_graphs import StepResult


class Tape(TorchDispatchMode):
    """Records while it runs; `replay` writes every result over the one that was recorded."""

    def __init__(self, run: Callable[[], StepResult]) -> None:
        super().__init__()
        self._operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]] = []
        with self:
            self._result = run()
        self.bytes = sum(each.nbytes for *_, made in self._operations for each in made)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        given = {each.untyped_storage().data_ptr() for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)}
        results = [each for each in tree_leaves(made) if isinstance(each, Tensor)]
        views = [each.untyped_storage().data_ptr() in given for each in results]
        if not all(views) or any(each.alias_info and each.alias_info.is_write for each in function._schema.arguments):
            args, kwargs = tree_map_only(nn.Parameter, _place, (args, kwargs or {}))
            self._operations.append((function, args, kwargs, [] if any(views) else results))
        return made

    @torch.inference_mode()
    def replay(self) -> StepResult:
        for function, args, kwargs, places in self._operations:
            made = [each for each in tree_leaves(function(*args, **kwargs)) if isinstance(each, Tensor)]
            for place, result in zip(places, made, strict=bool(places)):
                place.copy_(result)
        return self._result


def _place(weight: nn.Parameter) -> Tensor:
    """Where a weight lies now; the parameter itself may be laid elsewhere."""
    return weight.detach()
