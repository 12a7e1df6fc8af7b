"""Many LoRAs in one batch: tasks with different LoRAs beside the weights, against merging them, on this CPU.

    python -m benchmarks.loras [MODELS_DIR]

Paints sixteen tasks with eight different sets of LoRAs, and eight tasks without any, with toy-sd1. The two ways take
turns, and the best round of each counts, so that other load on the machine affects both or neither.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch

from models import catalog
from models.registry.registry import Registry
from models.toy.build import build
from pipelines.engine.engine import Engine
from pipelines.engine.events import Failed
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.scheduling.lora_choice import LoraChoice, Plan
from pipelines.txt2img import Txt2Img, Txt2ImgParams

SIDE, STEPS, ROUNDS = 64, 20, 5
LORAS = ("toy-neon", "toy-lora")
SETS = [f"<lora:{LORAS[index % 2]}:{0.3 + 0.1 * index:.1f}>" for index in range(8)]


class AlwaysMerge(LoraChoice):
    """Every set is merged, one after another."""

    def beside_pays(self, capacity: Capacity, beside: Plan, merged: Plan, *, is_merged: bool) -> bool:
        return False


def tasks(loras: list[str]) -> list[Txt2ImgParams]:
    return [
        Txt2ImgParams(text=f"a red house {tag}", model="toy-sd1", seed=seed, num_steps=STEPS, w=SIDE, h=SIDE)
        for seed, tag in enumerate(loras)
    ]


def images_a_second(engine: Engine, requests: list[Txt2ImgParams]) -> float:
    for index, params in enumerate(requests):
        engine.add(str(index), Txt2Img(), params, {})
    begin = time.perf_counter()
    while engine.busy:
        for event in engine.step():
            assert not isinstance(event, Failed), event
    return len(requests) / (time.perf_counter() - begin)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        models = Path(sys.argv[1] if len(sys.argv) > 1 else folder)
        build(models)
        registry = Registry(catalog.read(models), torch.device("cpu"), torch.float32, 1 << 40, 0)
        engines = {
            "merged": Engine(registry, Capacity(), loras=AlwaysMerge()),
            "beside": Engine(registry, Capacity()),
        }
        cases = {"16 tasks, 8 sets of LoRAs": SETS * 2, "8 tasks without LoRAs": [""] * 8}
        print(f"| images a second, {SIDE}×{SIDE}, {STEPS} steps | merged | beside | ratio |\n|---|---|---|---|")
        for case, loras in cases.items():
            best = dict.fromkeys(engines, 0.0)
            for _ in range(ROUNDS + 1):  # the first round also measures
                for name, engine in engines.items():
                    best[name] = max(best[name], images_a_second(engine, tasks(loras)))
            merged, beside = best["merged"], best["beside"]
            print(f"| {case} | {merged:.2f} | {beside:.2f} | {beside / merged:.2f} |")


if __name__ == "__main__":
    main()
