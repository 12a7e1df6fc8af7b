"""How many tasks one `hua api` accepts a second, through a real Kafka and Redis, a controller reading along.

    python -m benchmarks.submits [--tasks 10000] [--at-once 64]

All share the cores of one machine, the client too, which speaks HTTP by hand to leave them alone. Prints accepted tasks
a second, milliseconds of a POST, and what each process used of the cores.
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
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka, redis = stack.enter_context(servers(folder))
        running = stack.enter_context(roles(folder, kafka, redis))
        asyncio.run(_post(running.port, given.tasks // 10, given.at_once))
        used, own, began = running.cpu_s(), time.process_time(), time.perf_counter()
        times = asyncio.run(_post(running.port, given.tasks, given.at_once))
        took = time.perf_counter() - began
        _report(times, took, {**_less(running.cpu_s(), used), "client": time.process_time() - own})


def _less(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after}


def _report(times: list[float], took: float, used: dict[str, float]) -> None:
    cuts = statistics.quantiles((1000 * one for one in times), n=100)
    print(f"{len(times) / took:,.0f} accepted a second; POST p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms")
    print("| | cores | ms a task |\n|---|---|---|")
    for name, seconds in used.items():
        print(f"| {name} | {seconds / took:.2f} | {1000 * seconds / len(times):.2f} |")


async def _post(port: int, tasks: int, at_once: int) -> list[float]:
    """Seconds of each POST; `at_once` connections share them."""
    left = iter(range(tasks))
    of_each = await asyncio.gather(*(_connection(port, left) for _ in range(at_once)))
    return list(itertools.chain.from_iterable(of_each))


async def _connection(port: int, left: Iterator[int]) -> list[float]:
    body = json.dumps(BODY).encode()
    request = (
        b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), body)
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = []
    for _ in left:
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
