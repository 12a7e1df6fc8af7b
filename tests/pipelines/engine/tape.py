"""What a CUDA graph does, on the CPU: it repeats recorded operations on the same memory, without Python's decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from pipelines.engine.execution.cuda_graphs import StepResult


class Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operations within it; `repeat` repeats them and writes each result over the recorded one."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[Tensor]]] = []

    @property
    def bytes(self) -> int:
        return sum(each.nbytes for *_, results in self._operations for each in results)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        inputs = {each.untyped_storage().data_ptr() for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)}
        results = [each for each in tree_leaves(output) if isinstance(each, Tensor)]
        views = [each.untyped_storage().data_ptr() in inputs for each in results]
        if not all(views) or any(each.alias_info and each.alias_info.is_write for each in function._schema.arguments):
            args, kwargs = tree_map_only(nn.Parameter, _memory_of, (args, kwargs or {}))
            self._operations.append((function, args, kwargs, [] if any(views) else results))
        return output

    @torch.inference_mode()
    def repeat(self) -> None:
        for function, args, kwargs, recorded in self._operations:
            results = [each for each in tree_leaves(function(*args, **kwargs)) if isinstance(each, Tensor)]
            for target, result in zip(recorded, results, strict=bool(recorded)):
                target.copy_(result)


class Tape:
    """Records `run`; `replay` repeats it."""

    def __init__(self, run: Callable[[], StepResult]) -> None:
        self._recording = Recording()
        with self._recording:
            self._result = run()
        self.bytes = self._recording.bytes

    def replay(self) -> StepResult:
        self._recording.repeat()
        return self._result


def _memory_of(weight: nn.Parameter) -> Tensor:
    """The memory of a weight now; the parameter may point to other memory later."""
    return weight.detach()
