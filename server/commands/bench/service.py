"""The service around the engine: one request after another over HTTP, and the time until the first image."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from models import catalog
from server.commands.bench.plan import MAIN, UPSCALER, Plan
from server.commands.bench.results import Figure
from server.commands.bench.workloads import GUIDANCE, NEGATIVE, PROMPT, smooth_noise
from server.images.codec import encode
from server.task import Output

READY_S = 600
ANSWER_S = 600


class ServiceError(Exception):
    """The measured service failed; the message says how."""


def measure_service(plan: Plan) -> Iterator[Figure]:
    """The time that the service adds to the engine; also its start, unless `plan.url` names a running Hua."""
    with contextlib.ExitStack() as stack:
        began = time.perf_counter()
        url = plan.url or stack.enter_context(running(plan))
        http = stack.enter_context(httpx.Client(base_url=url, timeout=ANSWER_S, trust_env=False))
        model, upscaler = ("", {}) if plan.url else (MAIN, {"model": UPSCALER})
        width, height, steps = plan.size(512, 512, 20)
        common = {"text": PROMPT.format(0), "negative_prompt": NEGATIVE, "guidance_scale": GUIDANCE, "num_steps": steps}
        task = {"type": "txt2img.sd", "params": {**common, "w": width, "h": height, "model": model}}
        if not plan.url:
            _until_ready(http)
            title = "start of `hua serve` until it is ready"
            yield Figure(name="service.ready", title=title, unit="s", value=_since(began))
        fetch(http, task)
        if not plan.url:
            title = "start of `hua serve` until the first image"
            yield Figure(name="cold.hua", title=title, unit="s", value=_since(began))
        yield from _overhead(http, plan, task, "service", f"{width}×{height}, {steps} steps")
        if plan.url or UPSCALER in {entry.name for entry in catalog.read(plan.models)}:
            size = plan.scaled(512)
            source = encode(smooth_noise(size, size), Output(), None)
            url = "data:image/png;base64," + base64.b64encode(source).decode()
            larger = {"type": "img2img.sr", "params": {"url": url, **upscaler}}
            yield from _overhead(http, plan, larger, "upscaled", f"super-resolution of {size}×{size}")


def _overhead(http: httpx.Client, plan: Plan, task: dict[str, Any], name: str, title: str) -> Iterator[Figure]:
    """The time from request to PNG, and the part of it outside the engine, by stage."""
    for _ in range(min(plan.warm_ups, 3)):
        fetch(http, task)
    measured = [fetch(http, task) for _ in range(2 * plan.repeats)]
    total_ms = [1000 * seconds for seconds, _ in measured]
    overhead_ms = [1000 * (seconds - stages["run"]) for seconds, stages in measured]
    yield Figure.of(f"{name}.whole", f"{title}, over HTTP: from request to PNG", "ms", total_ms)
    yield Figure.of(f"{name}.overhead", f"{title}, over HTTP: without the engine", "ms", overhead_ms)
    for stage in measured[0][1]:
        seconds = statistics.median(stages[stage] for _, stages in measured)
        yield Figure(name=f"{name}.stage.{stage}", title=f"{title}: stage {stage}", unit="ms", value=1000 * seconds)


def fetch(http: httpx.Client, task: dict[str, Any]) -> tuple[float, dict[str, float]]:
    """Seconds until a task's image is downloaded, and the stages of its result. Raises ServiceError."""
    began = time.perf_counter()
    view = http.post("/v1/tasks", json=task, headers={"Prefer": "wait=60"}).json()
    while view.get("status") in {"queued", "running"}:
        view = http.get(f"/v1/tasks/{view['id']}", headers={"Prefer": "wait=60"}).json()
    if view.get("status") != "succeeded":
        raise ServiceError(f"a task of type {task['type']} did not succeed: {view.get('error') or view}")
    http.get(view["images"][0]["url"]).raise_for_status()
    return time.perf_counter() - began, view["timings"]


@contextlib.contextmanager
def running(plan: Plan) -> Iterator[str]:
    """Starts `hua serve` with the models of this run; its URL, before it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if not name.startswith("HUA_")}
    own |= {"HUA_DATA_DIR": str(plan.out / "data"), "HUA_MODELS_DIR": str(plan.models), "HUA_PORT": str(port)}
    with (plan.out / "serve.log").open("w") as lines:
        serving = subprocess.Popen(
            [sys.executable, "-m", "server", "serve"], env=own | {"HUA_DEVICE": plan.device}, stderr=lines
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        serving.terminate()
        serving.wait()


def _until_ready(http: httpx.Client) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if http.get("/readyz").status_code == 200:
                return
        time.sleep(0.05)
    raise ServiceError(f"`hua serve` was not ready after {READY_S} s; see serve.log in the report's folder")


def _since(began: float) -> float:
    return time.perf_counter() - began


def diffusers_start(plan: Plan, log: Path) -> Iterator[Figure]:
    """The cold start of a script with plain diffusers, until its first image."""
    arguments = [str(plan.models), MAIN, plan.device, *map(str, plan.size(512, 512, 20))]
    began = time.perf_counter()
    with log.open("a") as lines:
        done = subprocess.run(
            [sys.executable, "-m", "server.commands.bench.diffusers_side", *arguments],
            stdout=subprocess.PIPE,
            stderr=lines,
            check=False,
        )
    if done.returncode:
        raise ServiceError(f"the diffusers script exited with {done.returncode}; see {log.name} in the report's folder")
    yield Figure(name="cold.bare", title="start of a script until its first image", unit="s", value=_since(began))
