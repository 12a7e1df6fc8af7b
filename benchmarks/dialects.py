"""The time that a dialect adds to `/v1/tasks`: requests over HTTP to a server whose worker ends every task at once.

    python -m benchmarks.dialects [--requests 300]

The requests of all rows take turns, so that they meet the same noise. Prints medians, and by how much they are above
those of `POST /v1/tasks` with `Prefer: wait`: of the time, and of the CPU time of client, server and worker together,
which tells more on a busy machine. To add a dialect, add its request to REQUESTS.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from server.api.app import create_app
from server.roles import make_controller
from server.services import Services
from server.settings import Settings
from tests.support.painter import Painter

WARM_UP = 20


@dataclass(frozen=True)
class Row:
    name: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


REQUESTS = (
    Row(
        "`/v1/tasks`, `Prefer: wait`",
        "/v1/tasks",
        {"type": "txt2img.sd", "params": {"text": "a red house", "w": 512, "h": 512}},
        {"Prefer": "wait=60"},
    ),
    Row("openai, url", "/v1/images/generations", {"prompt": "a red house", "size": "512x512"}),
    Row(
        "openai, b64_json",
        "/v1/images/generations",
        {"prompt": "a red house", "size": "512x512", "response_format": "b64_json"},
    ),
    Row("a1111", "/sdapi/v1/txt2img", {"prompt": "a red house", "width": 512, "height": 512, "steps": 20}),
    Row(
        "nextgpu",
        "/session/publish",
        {"data": {"parameters": {"promptText": "a red house", "imageRatio": "1:1"}}},
    ),
    Row("ideogram", "/v1/ideogram-v3/generate", {"prompt": "a red house", "resolution": "1024x1024"}),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=300)
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as folder:
        times = asyncio.run(_measure(Path(folder), requests))
    medians = {
        name: [1000 * statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in times.items()
    }
    own_ms, own_cpu_ms = medians[REQUESTS[0].name]
    print("| request | p50, ms | above `/v1/tasks` | CPU, ms | above `/v1/tasks` |\n|---|---|---|---|---|")
    for name, (ms, cpu_ms) in medians.items():
        print(f"| {name} | {ms:.1f} | {ms - own_ms:+.1f} | {cpu_ms:.1f} | {cpu_ms - own_cpu_ms:+.1f} |")


async def _measure(folder: Path, requests: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds and CPU seconds of each request, by the name of its row."""
    (folder / "models.yaml").write_text("models: [{name: toy, path: toy.safetensors, family: sd1}]")
    (folder / "toy.safetensors").write_bytes(b"")
    services = Services.from_settings(Settings(data_dir=folder / "data", models_dir=folder))
    await services.clock.ask()
    server = uvicorn.Server(uvicorn.Config(create_app(services), port=0, log_config=None, lifespan="off"))
    background = [make_controller(services).run(), Painter(services).paint_always(), server.serve()]
    running = [asyncio.create_task(each) for each in background]
    while not (server.started and await services.queue.complete()):
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    times: dict[str, list[tuple[float, float]]] = {row.name: [] for row in REQUESTS}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as http:
        for number in range(requests + WARM_UP):
            for row in REQUESTS:
                measured = await _request(http, row)
                if number >= WARM_UP:
                    times[row.name].append(measured)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await services.close()
    return times


async def _request(http: httpx.AsyncClient, row: Row) -> tuple[float, float]:
    began, cpu_began = time.perf_counter(), time.process_time()
    reply = await http.post(row.path, json=row.body, headers=row.headers)
    if reply.status_code != 200:
        raise SystemExit(f"{row.name} was answered {reply.status_code}: {reply.text}")
    return time.perf_counter() - began, time.process_time() - cpu_began


if __name__ == "__main__":
    main()
