"""Tasks per second that one `hua api` accepts, with a real Kafka and Redis and a running controller.

    python -m benchmarks.submits [--tasks 10000] [--at-once 64]

All processes share the cores of one machine. The client does too, so it writes plain HTTP to use little CPU. Prints
accepted tasks per second, milliseconds of a POST, and the CPU time of each process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cluster import BODY, roles, servers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=64)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka, redis = stack.enter_context(servers(folder))
        running = stack.enter_context(roles(folder, kafka, redis))
        asyncio.run(_post(running.port, arguments.tasks // 10, arguments.at_once))
        used, own, began = running.cpu_s(), time.process_time(), time.perf_counter()
        times = asyncio.run(_post(running.port, arguments.tasks, arguments.at_once))
        duration_s = time.perf_counter() - began
        _report(times, duration_s, {**_difference(running.cpu_s(), used), "client": time.process_time() - own})


def _difference(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after}


def _report(times: list[float], duration_s: float, used: dict[str, float]) -> None:
    cuts = statistics.quantiles((1000 * seconds for seconds in times), n=100)
    print(f"{len(times) / duration_s:,.0f} accepted a second; POST p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms")
    print("| | cores | ms a task |\n|---|---|---|")
    for name, seconds in used.items():
        print(f"| {name} | {seconds / duration_s:.2f} | {1000 * seconds / len(times):.2f} |")


async def _post(port: int, tasks: int, at_once: int) -> list[float]:
    """Seconds of each POST, over `at_once` connections."""
    remaining = iter(range(tasks))
    by_connection = await asyncio.gather(*(_connection(port, remaining) for _ in range(at_once)))
    return list(itertools.chain.from_iterable(by_connection))


async def _connection(port: int, remaining: Iterator[int]) -> list[float]:
    body = json.dumps(BODY).encode()
    request = (
        b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), body)
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = []
    for _ in remaining:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 202"):
            raise SystemExit(f"refused: {head.decode()}")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        times.append(time.perf_counter() - began)
    writer.close()
    return times


if __name__ == "__main__":
    main()
