"""How often the toys paint what a Chinese prompt says: 200 captions, painted by a server, judged by the toy judge.

    python -m benchmarks.chinese http://127.0.0.1:8000 [--words]

The server must have the toys and no other default model. `--words` prints the captions whose picture is wrong, and the
words that were painted for them. The author of the lexicon did not write the captions (`chinese_captions.tsv`).
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import torch
from PIL import Image

from models.toy import trained
from models.toy.training.judge import Judge
from models.toy.world import COLOURS, NOUNS

CAPTIONS = Path(__file__).with_suffix("").with_name("chinese_captions.tsv")
SIDE = 128
"""The judge looks at pictures of this side."""
PARAMS = {"w": SIDE, "h": SIDE, "num_steps": 20, "guidance_scale": 5}
AT_ONCE = 8


@dataclass(frozen=True)
class Painted:
    caption: str
    words: str
    """What the server painted."""
    thing: str
    colour: str
    thing_is_right: bool
    colour_is_right: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--words", action="store_true")
    options = parser.parse_args()
    painted = asyncio.run(paint_all(options.server))
    for name, right in (
        ("colour", [each.colour_is_right for each in painted]),
        ("thing", [each.thing_is_right for each in painted]),
    ):
        print(f"{name} right: {sum(right) / len(right):.1%} of {len(right)}")
    for each in painted if options.words else ():
        if not (each.thing_is_right and each.colour_is_right):
            print(f"{each.caption} → {each.words} (expected: {each.colour} {each.thing})")


async def paint_all(server: str) -> list[Painted]:
    judge = Judge()
    trained.fill(judge, "judge")
    judge.float().eval()
    with CAPTIONS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    slots = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=server, timeout=600) as client:
        tasks = [paint(client, slots, judge, row, seed) for seed, row in enumerate(rows)]
        return await asyncio.gather(*tasks)


async def paint(
    client: httpx.AsyncClient, slots: asyncio.Semaphore, judge: Judge, row: dict[str, str], seed: int
) -> Painted:
    async with slots:
        body = {"type": "txt2img.sd", "params": {"text": row["caption"], "seed": seed, **PARAMS}}
        task = (await client.post("/v1/tasks", json=body, headers={"Prefer": "wait=600"})).raise_for_status().json()
        image = await client.get(task["images"][0]["url"])
    pixels = np.asarray(Image.open(io.BytesIO(image.raise_for_status().content)).convert("RGB"))
    with torch.no_grad():
        noun, colour = judge(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None])
    return Painted(
        row["caption"],
        task["params"]["text"],
        row["thing"],
        row["colour"],
        list(NOUNS)[int(noun.argmax())] == row["thing"],
        list(COLOURS)[int(colour.argmax())] == row["colour"],
    )


if __name__ == "__main__":
    main()
