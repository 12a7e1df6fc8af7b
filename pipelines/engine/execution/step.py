"""One denoising step as a function of memory that stays where it is: what a CUDA graph needs to be captured of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np
import torch
from torch import Tensor

from models.adapters.controlnet import ControlNet
from models.adapters.lora_beside import OF_ROWS, SETS, LorasBeside
from models.adapters.lora_packing import Layout
from models.compiled.forward_pass import PassRunner
from models.conditioning import Conditioning
from models.diffusion.checkpoint import Checkpoint
from models.patches.deep_cache import FEATURES
from models.patches.patch import PatchedRows, PatchRow
from pipelines.engine.device_transfer import to_device_async
from pipelines.engine.execution import control_inputs
from pipelines.engine.execution.batch_rows import Rows
from pipelines.engine.sampling.sampler_table import DEPTH
from pipelines.engine.trajectory import Trajectory

HISTORY = 2 * DEPTH
"""Tensors that a step reads: x[i] … x[i-3], m[i-1] … m[i-3] and z[i]. It computes m[i] itself."""
COLUMNS = [*range(DEPTH), *range(DEPTH + 1, 2 * DEPTH + 1), DEPTH]
"""The columns of a table's weights in the order of `HISTORY`, and then m[i]'s."""
NO_OWNERS: tuple[Any, ...] = (((), ()),)


class Step:
    """A step of up to `rows` rows and `slots` trajectories of one key.

    `load` copies trajectories into its memory, `run` reads nothing else that changes from step to step. Neither waits
    for the device. What mostly stays the same (conditioning, hints, keys and values) is loaded only when trajectories
    or their prompts change. Rows and slots without an owner repeat the first one or hold old values; their results are
    not used.
    """

    def __init__(self, rows: int, slots: int, beside: Layout | None = None) -> None:
        """`beside`: LoRAs stay beside the weights, in this layout; None: they are merged."""
        self.rows, self.slots = rows, slots
        self._beside = beside
        self._memory: dict[str, Tensor] = {}
        self._conditioning: Conditioning | None = None
        self._net_conditionings: list[Conditioning] = []
        """The conditioning with each ControlNet's keys and values."""
        self._step_tensors: defaultdict[int, dict[str, Tensor]] = defaultdict(dict)
        """`DenoiserPatch.step_tensors` [slots, …], by the patch's index."""
        self._row_tensors: defaultdict[int, dict[str, Tensor]] = defaultdict(dict)
        """`DenoiserPatch.row_tensors` [rows, …], by the patch's index."""
        self._owners: tuple[Any, ...] = NO_OWNERS
        """The identity of the rows, and the trajectories: weakly, for a trajectory holds its checkpoint."""

    @property
    def bytes(self) -> int:
        by_patch = (*self._step_tensors.values(), *self._row_tensors.values())
        return sum(tensor.nbytes for memory in (self._memory, *by_patch) for tensor in memory.values())

    def load(self, rows: Rows) -> None:
        """Copies in what these trajectories need for their present step, and merges their LoRAs or loads them."""
        trajectories = rows.trajectories
        checkpoint = trajectories[0].denoise.checkpoint
        if self._beside is None:
            checkpoint.merge()
        else:
            checkpoint.unmerge()
        if not self._is_owned_by(rows):
            self._owners = NO_OWNERS  # until everything is loaded
            self._load_requests(rows, checkpoint)
            self._owners = (_identity(rows), *(ref(each) for each in trajectories))
        histories = [tensor for each in trajectories for tensor in _history(each)]
        stacked = torch.stack(histories).view(len(trajectories), HISTORY, *histories[0].shape)
        self._put("history", stacked, self.slots)
        self._put("scalars", to_device_async(_scalars(trajectories), checkpoint.device), self.slots)
        for index, patches in enumerate(rows.patches):
            levels = [each.noise_level for each in trajectories]
            each_tensors = [patch.step_tensors(*level) for patch, level in zip(patches, levels, strict=True)]
            for name in each_tensors[0]:
                values = torch.stack([tensors[name] for tensors in each_tensors])
                _put(self._step_tensors[index], name, values, self.slots)
        if trajectories[0].depth == "cached":
            _put(self._row_tensors[len(rows.patches) - 1], FEATURES, torch.stack(rows.deep_features), self.rows)

    def run(self, rows: Rows, runners: Sequence[PassRunner | None] = ()) -> tuple[Tensor, Tensor, Tensor | None]:
        """Latents after this step and the model's outputs, each float32 [slots, channels, h, w]; and the deep features
        to cache, [rows, …] in the model's dtype.

        `rows` are those of `load`; a captured graph depends only on what their batch key fixes. `runners` run the
        passes of the denoiser and of each ControlNet. The model runs in its own dtype, guidance and sampler in float32.
        """
        memory, first = self._memory, rows.trajectories[0]
        checkpoint, nets = first.denoise.checkpoint, [control.net for control in first.controls]
        history, (scales, timesteps, guidance) = memory["history"], memory["scalars"][:, :3].unbind(1)
        owners, positives, negatives = memory["owners"], memory["positives"], memory["negatives"]
        prompt_weights = memory["prompt_weights"][..., None, None, None]
        latents = (history[:, 0] * _per_row(scales)).to(checkpoint.dtype)[owners]
        timesteps, patches = timesteps[owners], self._patched(rows)
        denoiser, *net_runners = runners or [None] * (1 + len(nets))
        residuals = self._residuals(first, nets, latents, timesteps, net_runners)
        predicted = self._predict(checkpoint, latents, timesteps, residuals, patches, denoiser)
        prompted, unprompted = predicted[positives], predicted[negatives]
        directions = prompt_weights * (prompted - unprompted[:, None])
        outputs = unprompted + _per_row(guidance) * directions.sum(1)
        weights = memory["scalars"][:, 3:, None, None, None]
        stepped = (torch.cat([history, outputs[:, None]], dim=1) * weights).sum(1)
        return stepped, outputs, patches[-1].outputs.get(FEATURES) if patches else None

    def _residuals(
        self,
        first: Trajectory,
        nets: Sequence[ControlNet],
        latents: Tensor,
        timesteps: Tensor,
        runners: Sequence[PassRunner | None],
    ) -> list[Tensor]:
        """What ControlNets add to the denoiser; to a cached pass of DeepCache, only the first part."""
        memory, circular = self._memory, first.denoise.circular
        total: list[Tensor] = []
        for index, (net, runner) in enumerate(zip(nets, runners, strict=True)):
            hints = memory[f"hints.{index}"][memory["owners"]]
            weights = [memory[f"weights.{index}/{part}"] for part in range(net.parts)]
            if first.depth == "cached":
                parts, weights = [net.outermost(latents, hints, circular=circular)], weights[:1]
            else:
                conditioning = self._net_conditionings[index]
                parts = net.residuals(latents, timesteps, conditioning, hints, circular=circular, runner=runner)
            total = control_inputs.add_residuals(total, parts, weights)
        return total

    def _predict(
        self,
        checkpoint: Checkpoint,
        latents: Tensor,
        timesteps: Tensor,
        residuals: Sequence[Tensor],
        patches: Sequence[PatchedRows],
        runner: PassRunner | None,
    ) -> Tensor:
        """The denoiser's output for every row: the first half of classifier-free guidance (Ho and Salimans 2022)."""
        memory, conditioning = self._memory, self._conditioning
        assert conditioning is not None, "a step runs after it was loaded"  # noqa: S101
        if "inpainting_inputs" in memory:
            latents = torch.cat([latents, memory["inpainting_inputs"][memory["owners"]]], dim=1)
        predicted = checkpoint.predict(
            latents, timesteps, conditioning, residuals=residuals, patches=patches, runner=runner
        )
        return predicted.float()

    def _patched(self, rows: Rows) -> list[PatchedRows]:
        owners = self._memory["owners"]
        patched = [] if self._loras is None else [self._loras]
        for index, patches in enumerate(rows.patches):
            patch_rows = [PatchRow(patches[owner], rows.prompted(row)) for row, owner in enumerate(rows.owners)]
            by_step = {name: tensor[owners] for name, tensor in self._step_tensors[index].items()}
            patched.append(PatchedRows(patches[0], patch_rows, by_step | self._row_tensors[index]))
        return patched

    def _is_owned_by(self, rows: Rows) -> bool:
        owners, *trajectories = self._owners
        return owners == _identity(rows) and [each() for each in trajectories] == list(rows.trajectories)

    def _load_requests(self, rows: Rows, checkpoint: Checkpoint) -> None:
        """Copies in what is the same at every step of these trajectories."""
        for name, indices, room in (
            ("owners", torch.tensor(rows.owners), self.rows),
            ("positives", torch.tensor(rows.positives), self.slots),
            ("negatives", torch.tensor(rows.negatives), self.slots),
        ):
            padded = torch.cat([indices, indices[:1].expand(room - len(indices), *indices.shape[1:])])
            self._put(name, to_device_async(padded, checkpoint.device), room)
        weights = torch.tensor([each.prompts.weights for each in rows.trajectories])
        self._put("prompt_weights", to_device_async(weights, checkpoint.device), self.slots)
        if self._beside is not None:
            self._load_loras(rows, checkpoint, self._beside)
        self._load_conditioning(rows, checkpoint)
        inpainting_inputs = [each.inpainting_inputs for each in rows.trajectories if each.inpainting_inputs is not None]
        if inpainting_inputs:
            self._put("inpainting_inputs", torch.stack(inpainting_inputs), self.slots)

    def _load_loras(self, rows: Rows, checkpoint: Checkpoint, layout: Layout) -> None:
        """Each set once, after the zeros of rows without LoRAs; and the set of each row."""
        views = {each.denoise.checkpoint.adapters: each.denoise.checkpoint.lora_set for each in rows.trajectories}
        places: dict[object, int] = {(): 0}
        packed = [torch.zeros(layout.numbers, dtype=checkpoint.dtype, device=checkpoint.device)]
        for adapters, loras in views.items():
            if adapters and loras is not None:
                places[adapters] = len(packed)
                packed.append(loras.packed(layout, checkpoint.dtype))
        self._put(SETS, torch.stack(packed), layout.sets + 1)
        of_rows = torch.tensor([places[rows.trajectories[owner].denoise.checkpoint.adapters] for owner in rows.owners])
        padded = torch.cat([of_rows, of_rows[:1].expand(self.rows - len(of_rows))])
        self._put(OF_ROWS, to_device_async(padded, checkpoint.device), self.rows)

    @property
    def _loras(self) -> PatchedRows | None:
        if self._beside is None:
            return None
        return PatchedRows(LorasBeside(self._beside), (), {name: self._memory[name] for name in (SETS, OF_ROWS)})

    def _load_conditioning(self, rows: Rows, checkpoint: Checkpoint) -> None:
        each_row = rows.conditionings
        self._put("embeds", torch.cat([each.embeds for each in each_row]), self.rows)
        for name in each_row[0].extras:
            self._put(f"extras.{name}", torch.cat([each.extras[name] for each in each_row]), self.rows)
        extras = {name: self._memory[f"extras.{name}"] for name in each_row[0].extras}
        conditioning = Conditioning(self._memory["embeds"], extras)
        self._conditioning = self._in_memory("kv", checkpoint.with_cached_kv(conditioning, self._loras))
        for index, patches in enumerate(rows.patches):
            for name, tensor in patches[0].row_tensors(conditioning).items():
                _put(self._row_tensors[index], name, tensor, self.rows)
        self._net_conditionings = []
        for index, controls in enumerate(zip(*(each.controls for each in rows.trajectories), strict=True)):
            net = controls[0].net
            self._net_conditionings.append(self._in_memory(f"kv.{index}", net.with_cached_kv(conditioning)))
            self._put(f"hints.{index}", torch.cat([each.hint for each in controls]), self.slots)
            maps = control_inputs.weight_maps(rows, controls, *rows.trajectories[0].shape[1:])
            for part, weights in enumerate(maps):
                self._put(f"weights.{index}/{part}", weights, self.rows)

    def _in_memory(self, name: str, conditioning: Conditioning) -> Conditioning:
        """The conditioning with its keys and values in memory that stays."""
        count = len(conditioning.cached_kv)
        for index, tensor in enumerate(conditioning.cached_kv):
            self._put(f"{name}/{index}", tensor, self.rows)
        cached_kv = tuple(self._memory[f"{name}/{index}"] for index in range(count))
        return Conditioning(conditioning.embeds, conditioning.extras, cached_kv)

    def _put(self, name: str, values: Tensor, room: int) -> None:
        _put(self._memory, name, values, room)


def _identity(rows: Rows) -> tuple[object, ...]:
    """Equal for rows of the same trajectories at steps with the same prompts."""
    return rows.owners, rows.negatives, *(id(each) for each in rows.conditionings)


def _put(memory: dict[str, Tensor], name: str, values: Tensor, room: int) -> None:
    """Copies values into the memory of this name, which is allocated at first use, for `room` of them."""
    if name not in memory:
        memory[name] = values.new_zeros(room, *values.shape[1:])
    memory[name][: len(values)].copy_(values)


def _scalars(trajectories: Sequence[Trajectory]) -> Tensor:
    """Scale of the model's input, timestep, guidance and the sampler's weights, float32 [trajectories, 12].

    One tensor, so that one copy brings it to the device.
    """
    each = [(one.table.S[one.index], one.table.T[one.index], one.guidance) for one in trajectories]
    weights = np.stack([one.table.weights[one.index][COLUMNS] for one in trajectories])
    return torch.from_numpy(np.concatenate([np.array(each), weights], axis=1)).float()


def _history(trajectory: Trajectory) -> list[Tensor]:
    """The tensors of `HISTORY`; a missing one is multiplied by 0, so any finite one stands in."""
    present, noise = trajectory.latents[0], trajectory.noise()
    latents = [*trajectory.latents, *[present] * DEPTH][:DEPTH]
    outputs = [*trajectory.outputs, *[present] * DEPTH][: DEPTH - 1]
    return [*latents, *outputs, present if noise is None else noise]


def _per_row(values: Tensor) -> Tensor:
    return values[:, None, None, None]
