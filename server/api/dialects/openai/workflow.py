"""What a request is to run: one task type, perhaps with steps before and after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.api.dialects.openai.request import Size
from server.task import Output, Priority, Retention
from server.tasks.submission import Submission

MAX_SAMPLES = 8
"""The most images of one task."""
PAINT, CUT_OUT = "paint", "cut_out"


@dataclass(frozen=True, slots=True)
class Plan:
    """A painting."""

    task_type: str
    params: dict[str, Any]
    scaled_pictures: Mapping[str, str] = field(default_factory=dict)
    """References of pictures that are scaled first, by the param of the task that takes them."""
    size: Size = (0, 0)
    """The width and height to which they are scaled."""
    cuts_out: bool = False
    """Whether the main object of the painting is cut out."""

    def task(self, samples: int, offset: int) -> tuple[str, dict[str, Any]]:
        """Type and params of the task that paints `samples` images, of which the first has number `offset`."""
        params = {**self.params, "num_samples": samples}
        if offset and isinstance(seed := params.get("seed"), int | str) and str(seed).isdecimal():
            params["seed"] = int(seed) + offset
        if not self._is_workflow:
            return self.task_type, params
        nodes = [*map(self._scaling, self.scaled_pictures), self._painting(params)]
        if self.cuts_out:
            injections = {PAINT: {"index": 0, "field": "url"}}
            nodes.append({"key": CUT_OUT, "endpoint": "img2img.sod", "injections": injections})
        return "workflow", {"nodes": nodes, "target": nodes[-1]["key"], "use_audit": True}

    def tasks(self, images: int, *, apart: bool) -> list[tuple[str, dict[str, Any]]]:
        """The tasks that paint this many images. `apart`: each image is a task of its own."""
        most = 1 if apart or self._is_workflow else MAX_SAMPLES
        return [self.task(min(most, images - offset), offset) for offset in range(0, images, most)]

    @property
    def _is_workflow(self) -> bool:
        return self.cuts_out or bool(self.scaled_pictures)

    def _scaling(self, param: str) -> dict[str, Any]:
        width, height = self.size
        # Interpolated alpha would leave no pixel at the edge of the hole of a mask fully transparent.
        resampling = "nearest" if param == "mask_url" else "lanczos"
        data = {"url": self.scaled_pictures[param], "w": width, "h": height, "mode": "cover", "resampling": resampling}
        return {"key": f"scaled_{param}", "endpoint": "cv.resize", "data": data}

    def _painting(self, params: dict[str, Any]) -> dict[str, Any]:
        injections = {f"scaled_{param}": {"index": 0, "field": param} for param in self.scaled_pictures}
        return {"key": PAINT, "endpoint": self.task_type, "injections": injections, "data": params}


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What all tasks of one request share."""

    tenant: str
    dialect: str
    output: Output
    priority: Priority
    retention: Retention | None
    idempotency_key: str | None


def submissions(plan: Plan, images: int, options: TaskOptions, *, apart: bool) -> list[Submission]:
    """The tasks of a request. A request that is sent again with its Idempotency-Key gets the same ones."""
    key = options.idempotency_key
    return [
        Submission(
            type=task_type,
            params=params,
            tenant=options.tenant,
            priority=options.priority,
            retention=options.retention,
            output=options.output,
            dialect=options.dialect,
            idempotency_key=key if key is None or not number else f"{key}#{number}",
        )
        for number, (task_type, params) in enumerate(plan.tasks(images, apart=apart))
    ]
