"""The command line `hua`: what runs, and what an operator does by hand."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable

from models import catalog
from models.catalog import CatalogError
from server.logs import set_up_logs
from server.settings import Settings, SettingsError

Command = Callable[[argparse.Namespace, Settings], None]


def main() -> None:
    arguments = _parser().parse_args()
    run: Command = arguments.run
    try:
        settings = Settings.load()
        set_up_logs(settings)
        run(arguments, settings)
    except (SettingsError, CatalogError) as error:
        sys.exit(f"hua: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hua", description="A self-hosted image-generation server.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Command, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(run=run)
        return added

    command("serve", _serve, "api, controller and one worker in one go")
    command("api", _api, "answer HTTP")
    command("controller", _controller, "feed the queue from the log, settle outcomes, send callbacks, sweep")
    worker = command("worker", _worker, "run tasks on one device")
    worker.add_argument("--device", help="auto, cpu or cuda:N; default HUA_DEVICE")
    command("models", _models, "list the models that models.yaml names")
    command("settings", _settings, "print the table of settings")
    keys = command("keys", _keys, "make an API key, or show a tenant's callback secret")
    keys.add_argument("action", choices=["new", "callback-secret"])
    keys.add_argument("tenant")
    return parser


def _serve(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.roles import serve

    asyncio.run(serve(settings))


def _api(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.roles import api

    asyncio.run(api(settings))


def _controller(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.roles import controller

    asyncio.run(controller(settings))


def _worker(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.roles import worker

    asyncio.run(worker(settings, arguments.device or settings.device))


def _models(arguments: argparse.Namespace, settings: Settings) -> None:
    for entry in catalog.read(settings.models_path):
        names = ", ".join(entry.aliases)
        print(f"{entry.name:20} {entry.family:8} {entry.bytes / 2**20:9.1f} MiB  {names}")  # noqa: T201


def _settings(arguments: argparse.Namespace, settings: Settings) -> None:
    print(Settings.table())  # noqa: T201


def _keys(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.auth import new_key
    from server.webhook import shown, tenant_secret

    if arguments.action == "callback-secret":
        print(shown(tenant_secret(settings.secret_bytes, arguments.tenant)))  # noqa: T201
        return
    key, setting = new_key(arguments.tenant)
    print(f"The key, shown this once: {key}\nAdd to HUA_API_KEYS:      {setting}")  # noqa: T201


if __name__ == "__main__":
    main()
