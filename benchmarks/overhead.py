"""The time that the service adds to the engine: single requests on an idle `hua serve`, end to end minus engine time.

    python -m benchmarks.overhead [--requests 30]

Prints one table: milliseconds from the request to the PNG's last byte, the engine's time as the result reports it,
and the difference; then the CPU time that the roles without a device take to start.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

BODY = {"type": "txt2img.sd", "params": {"text": "a red house", "w": 512, "h": 512, "num_steps": 20}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=30)
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as folder, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.close()
        environment = os.environ | {"HUA_DATA_DIR": str(Path(folder) / "data"), "HUA_PORT": str(port)}
        serving = subprocess.Popen(
            [sys.executable, "-m", "server", "serve"], env=environment, stderr=subprocess.DEVNULL
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as http:
                wait_until_ready(http)
                samples = [measure(http) for _ in range(requests + 3)][3:]
        finally:
            serving.terminate()
            serving.wait()
    print_table(samples)
    print(f"\n`import server.api.app`: {cpu_seconds_of_import():.2f} s of CPU time")


def wait_until_ready(http: httpx.Client) -> None:
    while True:
        try:
            if http.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)


def measure(http: httpx.Client) -> dict[str, float]:
    """Milliseconds of one request, from submitting it to having its PNG."""
    began = time.perf_counter()
    view = http.post("/v1/tasks", json=BODY, headers={"Prefer": "wait=60"}).json()
    http.get(view["images"][0]["url"]).raise_for_status()
    total = 1000 * (time.perf_counter() - began)
    stages = {stage: 1000 * seconds for stage, seconds in view["timings"].items()}
    return {"end to end": total, "engine": stages["run"], "overhead": total - stages["run"], **stages}


def print_table(samples: list[dict[str, float]]) -> None:
    print("| ms | p50 | p95 |\n|---|---|---|")
    for row in samples[0]:
        values = sorted(sample[row] for sample in samples)
        print(f"| {row} | {statistics.median(values):.1f} | {values[int(0.95 * (len(values) - 1))]:.1f} |")


def cpu_seconds_of_import() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import server.api.app"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
