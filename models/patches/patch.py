"""The contract of a technique that changes the denoiser's forward pass for as long as the pass runs.

A new technique is one subclass of `DenoiserPatch` in this folder, and one `PatchParams` in `pipelines/params/` through
which tasks ask for it. Batching, CUDA graphs and compiled packages ask the patch what they need to know.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from models.conditioning import Conditioning
from models.noise import GaussianNoise

Encode = Callable[[np.ndarray, GaussianNoise], Tensor]
"""Pixels, uint8 RGB [height, width, 3], to scaled latents [1, channels, h, w], as `Checkpoint.encode` does."""


class PatchKey(NamedTuple):
    """What the scheduler must know of a patch: rows whose patches have equal keys may share a forward pass."""

    kind: str
    """Name of the patch's class."""
    batch: Hashable
    cost: Hashable
    graph: Hashable
    capturable: bool
    compilable: bool

    @property
    def of_cost(self) -> PatchKey:
        """Equal for patches whose steps take equally long."""
        return self._replace(batch=None, graph=None)

    @property
    def of_graph(self) -> PatchKey:
        """Equal for patches that may replay the same CUDA graph."""
        return self._replace(batch=None, cost=None)


class ImageContext(NamedTuple):
    """The image that a patch is prepared for."""

    encode: Encode
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    noise: Tensor
    """The noise that the image starts from, float32 [channels, h, w]."""
    inpainting_inputs: Tensor | None
    """Mask and masked latents [in_channels - channels, h, w], if the checkpoint was trained for inpainting."""


class DenoiserInputs(NamedTuple):
    """The inputs of the forward pass that a patch is applied to."""

    latents: Tensor
    """[rows, in_channels, h, w], scaled."""
    timesteps: Tensor
    """[rows]."""
    conditioning: Conditioning
    run_unet: Callable[[Tensor], Any]
    """Runs the UNet on other latents [rows, in_channels, h, w], with the same timesteps and conditioning."""


class DenoiserPatch(ABC):
    """A change to the denoiser, for one task or one image.

    `apply` is called on the patch of a batch's first row; the patches of all rows are in its `PatchedRows`.
    """

    capturable: bool = True
    """Whether a CUDA graph may be captured of a patched pass. `apply` must then read nothing but `graph_key`, tensors
    and shapes, for a replay does not call it. Tensors may have more rows than `PatchedRows.rows`; those are padding."""
    compilable: bool = False
    """Whether a pass that was compiled ahead of time computes the same with this patch."""
    keeps_rows: bool = True
    """Whether every layer of the UNet gets all rows of the pass, in their order, as LoRAs beside the weights need."""
    runs_unet: bool = False
    """Whether `apply` runs the UNet itself. Such patches are applied last, so that the others act on that pass too."""

    @property
    @abstractmethod
    def batch_key(self) -> Hashable:
        """What must be equal for rows to share a forward pass."""

    @property
    def cost_key(self) -> Hashable:
        """The part of `batch_key` that decides how long a step takes."""
        return self.batch_key

    @property
    def graph_key(self) -> Hashable:
        """The part of `batch_key` that decides which operations a step launches."""
        return self.batch_key

    @property
    def key(self) -> PatchKey:
        own = self.batch_key, self.cost_key, self.graph_key
        return PatchKey(type(self).__name__, *own, self.capturable, self.compilable)

    def bind(self, unet: Any) -> DenoiserPatch:
        """This patch for one UNet. May raise an error that says why it does not fit."""
        return self

    def condition(self, conditioning: Conditioning, *, prompted: bool) -> Conditioning:
        """The conditioning of a prompt, or of a negative prompt, with what this patch adds to it."""
        return conditioning

    def for_image(self, image: ImageContext) -> DenoiserPatch:
        """This patch for one image; called once, before its first step."""
        return self

    def step_tensors(self, signal: float, sigma: float) -> Mapping[str, Tensor]:
        """What the next step of one image needs, by name, without a dimension of rows.

        The denoiser's input in that step is `signal` · clean latents + `sigma` · noise.
        """
        return {}

    def row_tensors(self, conditioning: Conditioning) -> Mapping[str, Tensor]:
        """What is the same in all steps of the rows of `conditioning`, by name, each [rows, …]."""
        return {}

    @abstractmethod
    def apply(self, unet: Any, rows: PatchedRows, inputs: DenoiserInputs) -> AbstractContextManager[None]:
        """Changes the UNet within the block, and restores it at the end, also after an exception. One thread at a
        time."""


class PatchRow(NamedTuple):
    """One row of a forward pass, as a patch sees it."""

    patch: DenoiserPatch
    """The patch of the row's own task."""
    prompted: bool
    """True for the row of a prompt, False for the row of a negative prompt."""


@dataclass(frozen=True, slots=True)
class PatchedRows:
    """The rows of one forward pass that a patch is applied to."""

    patch: DenoiserPatch
    rows: Sequence[PatchRow] = ()
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    """`step_tensors` and `row_tensors` of all rows, each [rows, …]; without `row_tensors`, `apply` computes them."""
    outputs: dict[str, Tensor] = field(default_factory=dict)
    """What `apply` hands back of the pass, each [rows, …]."""
