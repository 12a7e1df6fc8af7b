"""One denoising step as a function of memory that stays where it is: what a CUDA graph needs to be captured of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np
import torch
from torch import Tensor

from models.adapters.controlnet import ControlNet
from models.compiled.forward_pass import PassRunner
from models.conditioning import Conditioning
from models.diffusion.checkpoint import Checkpoint
from models.patches.deep_cache import Deep
from models.patches.reference_attention import References, ReferenceWeight
from pipelines.engine.device_transfer import to_device_async
from pipelines.engine.execution import control_inputs
from pipelines.engine.execution.batch_rows import Rows
from pipelines.engine.sampling.sampler_table import DEPTH
from pipelines.engine.trajectory import Depth, Trajectory

PAST = 2 * DEPTH
"""x[i] … x[i-3], m[i-1] … m[i-3] and z[i]: what a step looks at. m[i] it makes itself."""
IN_ORDER = [*range(DEPTH), *range(DEPTH + 1, 2 * DEPTH + 1), DEPTH]
"""The columns of a table's weights as `PAST` has them, and then m[i]'s."""
NOBODY: tuple[Any, ...] = (((), ()),)


class Step:
    """A step of up to `rows` rows and `slots` trajectories of one key.

    `load` puts the trajectories into its memory, `run` reads nothing else that changes from step to step, and nowhere
    waits for the device. What stays with a request (conditioning, hints, keys and values) is loaded only when the rows
    change hands. Rows and slots that nobody has repeat the first one or hold what is left there; nobody sees them.
    """

    def __init__(self, rows: int, slots: int) -> None:
        self._rows, self._slots = rows, slots
        self._memory: dict[str, Tensor] = {}
        self._conditioning: Conditioning | None = None
        self._seen_by: list[Conditioning] = []
        self._regards: list[ReferenceWeight] = []
        self._hands: tuple[Any, ...] = NOBODY
        """Owners and negatives, and whose they are: weakly, for a trajectory holds on to its checkpoint."""

    @property
    def bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self._memory.values())

    def load(self, rows: Rows) -> None:
        """Takes in what these trajectories are about to do; LoRAs are merged as they wish."""
        trajectories = rows.trajectories
        checkpoint = trajectories[0].denoise.checkpoint
        checkpoint.merge()
        if not self._in_hands_of(rows):
            self._hands = NOBODY  # until all of it is there
            self._load_requests(rows, checkpoint)
            self._hands = ((rows.owners, rows.negatives), *(ref(each) for each in rows.trajectories))
        device = checkpoint.device
        pasts = [tensor for each in trajectories for tensor in _past(each)]
        self._put("past", torch.stack(pasts).view(len(trajectories), PAST, *pasts[0].shape), self._slots)
        self._put("scalars", to_device_async(_scalars(trajectories), device), self._slots)
        if trajectories[0].depth == "shallow":
            self._put("deep", torch.stack(rows.deep), self._rows)
        if checkpoint.style is not None:
            looked_at = [each.reference for each in trajectories if each.reference is not None]
            self._put("looked_at", torch.stack(looked_at), self._slots)

    def run(
        self,
        checkpoint: Checkpoint,
        nets: Sequence[ControlNet],
        *,
        circular: bool,
        depth: Depth = "whole",
        by: Sequence[PassRunner | None] = (),
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The latents after this step and what the model put out, each [slots, channels, h, w] in float32; and the deep
        features that are to be kept, [rows, …] in the model's dtype.

        The model runs in its own dtype; guidance and the sampler's arithmetic are float32. `by` decides how the passes
        of the denoiser and of each net are run.
        """
        memory = self._memory
        past, (scales, timesteps, guidance) = memory["past"], memory["scalars"][:, :3].unbind(1)
        owners, positives, negatives = memory["owners"], memory["positives"], memory["negatives"]
        latents = (past[:, 0] * _per_row(scales)).to(checkpoint.dtype)
        deep = None if depth == "whole" else Deep(memory.get("deep"))
        shown = latents[owners], timesteps[owners]
        predicted = self._predict(checkpoint, nets, *shown, deep, circular=circular, by=by or [None] * (1 + len(nets)))
        prompted, steered = predicted[positives], predicted[negatives]
        outputs = steered + _per_row(guidance) * (prompted - steered)
        weights = memory["scalars"][:, 3:, None, None, None]
        stepped = (torch.cat([past, outputs[:, None]], dim=1) * weights).sum(1)
        return stepped, outputs, deep.features if deep and depth == "kept" else None

    def _predict(
        self,
        checkpoint: Checkpoint,
        nets: Sequence[ControlNet],
        latents: Tensor,
        times: Tensor,
        deep: Deep | None,
        *,
        circular: bool,
        by: Sequence[PassRunner | None],
    ) -> Tensor:
        """The denoiser's output for every row: the first half of classifier-free guidance (Ho and Salimans 2022)."""
        memory, conditioning = self._memory, self._conditioning
        assert conditioning is not None, "a step runs after it was loaded"  # noqa: S101
        added: list[Tensor] = []
        shallow = deep is not None and deep.features is not None
        for place, net in enumerate(nets):
            hints, strengths = memory[f"hints.{place}"][memory["owners"]], memory[f"strengths.{place}"]
            if shallow:
                parts, strengths = [net.outermost(latents, hints, circular=circular)], strengths[:, :1]
            else:
                seen = self._seen_by[place]
                parts = net.residuals(latents, times, seen, hints, circular=circular, by=by[1 + place])
            added = control_inputs.joined(added, parts, strengths)
        looked_at = None
        if "looked_at" in memory:
            looked_at = References(memory["looked_at"][memory["owners"]], self._regards)
        if "beside" in memory:
            latents = torch.cat([latents, memory["beside"][memory["owners"]]], dim=1)
        touched: dict[str, Any] = {"circular": circular, "references": looked_at, "deep": deep}
        return checkpoint.predict(latents, times, conditioning, residuals=added, by=by[0], **touched).float()

    def _in_hands_of(self, rows: Rows) -> bool:
        owners, *known = self._hands
        return owners == (rows.owners, rows.negatives) and [each() for each in known] == list(rows.trajectories)

    def _load_requests(self, rows: Rows, checkpoint: Checkpoint) -> None:
        """What is the same at every step of these trajectories."""
        for name, places, room in (
            ("owners", rows.owners, self._rows),
            ("positives", rows.positives, self._slots),
            ("negatives", rows.negatives, self._slots),
        ):
            self._put(
                name, to_device_async(torch.tensor([*places, *[0] * (room - len(places))]), checkpoint.device), room
            )
        self._load_conditioning(rows, checkpoint)
        beside = [each.beside for each in rows.trajectories if each.beside is not None]
        if beside:
            self._put("beside", torch.stack(beside), self._slots)
        if checkpoint.style is not None:
            self._regards = control_inputs.regards(rows, self._rows)

    def _load_conditioning(self, rows: Rows, checkpoint: Checkpoint) -> None:
        given = rows.conditionings
        self._put("embeds", torch.cat([each.embeds for each in given]), self._rows)
        for name in given[0].extras:
            self._put(f"extras.{name}", torch.cat([each.extras[name] for each in given]), self._rows)
        extras = {name: self._memory[f"extras.{name}"] for name in given[0].extras}
        conditioning = Conditioning(self._memory["embeds"], extras)
        self._conditioning = self._kept("known", checkpoint.attended(conditioning))
        self._seen_by = []
        for place, controls in enumerate(zip(*(each.controls for each in rows.trajectories), strict=True)):
            net = controls[0].net
            self._seen_by.append(self._kept(f"known.{place}", net.attended(conditioning)))
            self._put(f"hints.{place}", torch.cat([each.hint for each in controls]), self._slots)
            self._put(
                f"strengths.{place}", to_device_async(control_inputs.strengths(rows, controls), net.device), self._rows
            )

    def _kept(self, name: str, conditioning: Conditioning) -> Conditioning:
        """The same, with what is known of it in memory that stays."""
        for place, half in enumerate(conditioning.known):
            self._put(f"{name}.{place}", half, self._rows)
        known = tuple(self._memory[f"{name}.{place}"] for place in range(len(conditioning.known)))
        return Conditioning(conditioning.embeds, conditioning.extras, known)

    def _put(self, name: str, values: Tensor, room: int) -> None:
        """Copies values into the memory of this name, which is made when it is first needed, for `room` of them."""
        if name not in self._memory:
            self._memory[name] = values.new_zeros(room, *values.shape[1:])
        self._memory[name][: len(values)].copy_(values)


def _scalars(trajectories: Sequence[Trajectory]) -> Tensor:
    """Scale of the model's input, timestep, guidance and the sampler's weights, [trajectories, 12]: one copy."""
    each = [(one.table.S[one.index], one.table.T[one.index], one.denoise.guidance) for one in trajectories]
    weights = np.stack([one.table.weights[one.index][IN_ORDER] for one in trajectories])
    return torch.from_numpy(np.concatenate([np.array(each), weights], axis=1)).float()


def _past(trajectory: Trajectory) -> list[Tensor]:
    """What `PAST` says; what is missing is multiplied by 0, so anything finite stands in."""
    present, noise = trajectory.latents[0], trajectory.noise()
    latents = [*trajectory.latents, *[present] * DEPTH][:DEPTH]
    outputs = [*trajectory.outputs, *[present] * DEPTH][: DEPTH - 1]
    return [*latents, *outputs, present if noise is None else noise]


def _per_row(values: Tensor) -> Tensor:
    return values[:, None, None, None]
