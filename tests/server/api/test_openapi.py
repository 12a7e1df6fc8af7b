"""Schemathesis: no internal errors, and only statuses and shapes that the OpenAPI document has."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress

import hypothesis
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

import pipelines
from server.api.app import create_app
from server.queue import WorkerView
from server.roles import make_controller
from server.services import Services
from server.settings import Settings
from tests.support.painter import Painter

# Left out: numbers as text are accepted; no schema can express some rules (size limits, allowed URLs); and FastAPI's
# Allow header lists the methods of one route only.
EXCLUDED_CHECKS = {"positive_data_acceptance", "negative_data_rejection", "unsupported_method"}


async def _serve(settings: Settings, started: threading.Event, servers: list[uvicorn.Server]) -> None:
    services = Services.from_settings(settings)
    await services.clock.ask()
    background = [
        asyncio.create_task(work)
        for work in (make_controller(services).run(), _keep_announcing(services), Painter(services).paint_always())
    ]
    await services.queue.announce(WorkerView(name="w1", device="cpu"))
    servers.append(uvicorn.Server(uvicorn.Config(create_app(services), port=0, log_config=None)))
    serving = asyncio.create_task(servers[0].serve())
    while not servers[0].started:
        await asyncio.sleep(0.01)
    started.set()
    await serving
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    await services.close()


async def _keep_announcing(services: Services) -> None:
    """Announces a worker again and again, because the server is not ready without one."""
    while True:
        await asyncio.sleep(1)
        await services.queue.announce(WorkerView(name="w1", device="cpu"))


@pytest.fixture(scope="module")
def described(tmp_path_factory) -> Iterator[schemathesis.BaseSchema]:
    """A real server in its own thread. Its worker has no device, so every task ends at once."""
    folder = tmp_path_factory.mktemp("described")
    (folder / "models.yaml").write_text("models: [{name: toy, path: toy.safetensors, family: sd1, aliases: [v1.5]}]")
    (folder / "toy.safetensors").write_bytes(b"")
    settings = Settings(data_dir=folder / "data", models_dir=folder, task_limit=10_000)
    started, servers = threading.Event(), []
    thread = threading.Thread(target=lambda: asyncio.run(_serve(settings, started, servers)))
    thread.start()
    assert started.wait(120)
    port = servers[0].servers[0].sockets[0].getsockname()[1]
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
    servers[0].should_exit = True
    thread.join()


def twins() -> set[str]:
    """Routes of task types that have the same params as another one."""
    params, paths = set(), set()
    for pipeline in pipelines.every():
        if pipeline.Params in params:
            paths.add(f"/v1/pipelines/{pipeline.names[0]}")
        params.add(pipeline.Params)
    return paths


def test_every_reference_leads_somewhere(described):
    """Generators of clients stop at the first one that does not."""
    document = described.raw_schema

    def references(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            yield from (value for name, value in node.items() if name == "$ref" and isinstance(value, str))
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from references(child)

    for reference in set(references(document["paths"])) | set(references(document["components"]["schemas"])):
        found = document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_responses_match_the_openapi_document(described, mode):
    for result in described.get_all_operations():
        operation = result.ok()
        if operation.path in twins():
            continue

        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        @hypothesis.settings(
            max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(excluded_checks=[CHECKS.get_one(name) for name in EXCLUDED_CHECKS], timeout=30)

        with suppress(Unsatisfiable):  # some requests have no invalid form
            check()
