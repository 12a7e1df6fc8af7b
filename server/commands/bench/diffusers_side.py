"""The baseline: diffusers' own pipelines in their usual form, and Pillow's PNG.

`python -m server.commands.bench.diffusers_side FOLDER MODEL DEVICE WIDTH HEIGHT STEPS`
generates one image and exits, to measure the cold start of a script.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from diffusers.utils import logging as diffusers_logging
from PIL import Image

from models import catalog
from models.catalog.entry import ModelEntry
from models.registry.loaders import dtype_for
from models.weights import open_weights
from pipelines.engine.sampling.samplers import scheduler_for
from server.commands.bench.workloads import GUIDANCE, NEGATIVE, STRENGTH, Workload


class DiffusersSide:
    """Half precision on CUDA, torch's default attention; `compiled` compiles the UNet and the decoder."""

    name = "bare"

    def __init__(
        self, entry: ModelEntry, device: torch.device, control: ModelEntry | None = None, compiled: bool = False
    ) -> None:
        self._entry, self._device, self._control, self._compiled = entry, device, control, compiled
        self._pipes: dict[str, Any] = {}
        if compiled:
            self.name = "compiled"

    def load(self) -> None:
        """Loads the weights onto the device if they are not there."""
        if self._pipes:
            return
        diffusers_logging.disable_progress_bar()
        diffusers_logging.set_verbosity_error()
        pipe = build_pipeline(self._entry, dtype_for(self._device)).to(self._device)
        self._pipes["txt2img"] = pipe
        parts = pipe.components
        if self._entry.family != "sdxl":
            self._pipes["img2img"] = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
        if self._control is not None:
            net = ControlNetModel.from_pretrained(
                self._control.path, torch_dtype=dtype_for(self._device), local_files_only=True
            ).to(self._device)
            guided = StableDiffusionControlNetPipeline(**parts, controlnet=net, requires_safety_checker=False)
            self._pipes["control"] = guided
        if self._compiled:
            _compile(pipe)
        for loaded in self._pipes.values():
            loaded.set_progress_bar_config(disable=True)

    def unload(self) -> None:
        self._pipes.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def generate(self, workload: Workload) -> bytes:
        """The image as PNG."""
        kind = "control" if workload.control else "txt2img" if workload.source is None else "img2img"
        source: dict[str, Any] = {"width": workload.width, "height": workload.height}
        if workload.source is not None:
            image = {"image": Image.fromarray(workload.source)}
            source = source | image if workload.control else image | {"strength": STRENGTH}
        output = self._pipes[kind](
            workload.text,
            negative_prompt=NEGATIVE,
            num_inference_steps=workload.steps,
            guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(workload.seed),
            **source,
        )
        file = io.BytesIO()
        output.images[0].save(file, "PNG")
        return file.getvalue()


def build_pipeline(entry: ModelEntry, dtype: torch.dtype) -> Any:
    """The pipeline from an entry's parts, which are in a folder or in one file."""
    weights = open_weights(entry)
    config = {"prediction_type": "epsilon", **weights.scheduler_config}
    if entry.prediction is not None:
        config["prediction_type"] = entry.prediction
    parts: dict[str, Any] = {
        "vae": weights.vae(dtype),
        "unet": weights.unet(dtype),
        "text_encoder": weights.text_encoder(dtype, 0),
        "tokenizer": weights.tokenizer(0),
        "scheduler": scheduler_for(config, "euler", None),
    }
    if entry.family == "sdxl":
        second = {"text_encoder_2": weights.text_encoder(dtype, 1), "tokenizer_2": weights.tokenizer(1)}
        return StableDiffusionXLPipeline(**parts, **second, add_watermarker=False)
    absent = {"safety_checker": None, "feature_extractor": None}
    return StableDiffusionPipeline(**parts, **absent, requires_safety_checker=False)


def _compile(pipe: Any) -> None:
    """Follows the documentation of diffusers: channels last, CUDA graphs, UNet and decoder."""
    for net in (pipe.unet, pipe.vae):
        net.to(memory_format=torch.channels_last)
    pipe.unet = torch.compile(pipe.unet, mode="reduce-overhead")
    pipe.vae.decode = torch.compile(pipe.vae.decode, mode="reduce-overhead")


def main(folder: str, model: str, device: str, *size: str) -> None:
    width, height, steps = map(int, size)
    side = DiffusersSide(catalog.read(Path(folder)).find(model), torch.device(device))
    side.load()
    sys.stdout.buffer.write(side.generate(Workload(width, height, steps, seed=0))[:8])


if __name__ == "__main__":
    main(*sys.argv[1:])
