"""What a person reads who starts the server: where it is, what it can paint, and how to add a model."""

import asyncio
import logging
from dataclasses import replace

import pytest

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.catalog.live_catalog import LiveCatalog
from models.catalog.scan import Problem
from server.queue import WorkerView
from server.services import Services
from server.start import welcome as module
from server.start.welcome import welcome, welcome_lines


async def test_nothing_is_printed_before_a_worker_is_ready(services: Services, caplog, capsys, monkeypatch) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "LOGGED_EVERY_S", 0.0)
    await services.queue.announce(WorkerView(name="w", device="cpu", state="starting"))
    greeting = asyncio.create_task(welcome(services))
    while not any("not ready yet: workers: no worker is ready: the workers are starting" in m for m in caplog.messages):
        await asyncio.sleep(0.01)
    assert caplog.messages[0] == "http://hua answers; tasks wait until a worker is ready"
    assert capsys.readouterr().out == ""
    await services.queue.announce(WorkerView(name="w", device="cpu", state="ready"))
    lines: list[str] = []
    while len(lines) < 3:
        await asyncio.sleep(0.01)
        lines += capsys.readouterr().out.splitlines()
    greeting.cancel()
    assert lines == list(welcome_lines(services))


async def test_machines_read_the_lines_in_the_log(services: Services, caplog, capsys) -> None:
    caplog.set_level(logging.INFO)
    settings = services.settings.model_copy(update={"log_format": "json"})
    await services.queue.announce(WorkerView(name="w", device="cpu", state="ready"))
    greeting = asyncio.create_task(welcome(replace(services, settings=settings)))
    while len(caplog.messages) < 4:
        await asyncio.sleep(0.01)
    greeting.cancel()
    assert caplog.messages[1:] == list(welcome_lines(services))
    assert capsys.readouterr().out == ""


def test_lines_name_the_address_the_default_model_and_the_folder(services: Services) -> None:
    address, models, more = welcome_lines(services)
    assert "http://hua " in address
    assert models == f"It has {len(services.catalog.entries)} models. Tasks that name none use toy."
    assert str(services.settings.models_path) in more


@pytest.mark.parametrize(
    ("name", "family", "says"),
    [
        ("toy-sd1", "sd1", "toys that know these words only: house, "),
        ("ink", "lora", "No model paints, because there is no"),
    ],
)
def test_toys_and_folders_without_a_checkpoint_are_said(services: Services, tmp_path, name, family, says) -> None:
    catalog = Catalog([ModelEntry(name=name, path=tmp_path, family=family)])
    assert says in welcome_lines(replace(services, live_catalog=LiveCatalog(lambda: catalog)))[1]


def test_first_broken_model_is_named_and_others_are_counted(services: Services, tmp_path) -> None:
    message = "this is not a safetensors file; convert the model to that format"
    problems = [Problem(tmp_path, message, (name,), default=name == "ink") for name in ("ink", "wash", "brush")]
    problems.append(Problem(tmp_path, "its VAE is missing; the model can be used all the same"))
    line = welcome_lines(replace(services, live_catalog=LiveCatalog(lambda: Catalog([], problems))))[1]
    assert line.startswith(f"No model paints, because the default model cannot be used. ink cannot be used: {message}.")
    assert line.endswith(" 2 more cannot be used; `hua models` lists them.")


def test_without_a_periodic_look_the_operator_refreshes(services: Services) -> None:
    assert "hua models refresh" not in welcome_lines(services)[2]
    settings = services.settings.model_copy(update={"models_refresh": 0.0})
    assert "hua models refresh" in welcome_lines(replace(services, settings=settings))[2]
