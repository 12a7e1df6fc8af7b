"""The command line `hua`: the roles, and the commands of an operator."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import NoReturn

from models.catalog.checksums import ChecksumError
from models.catalog.entry import CatalogError
from models.files.weights_error import WeightsError
from server.commands import api_keys
from server.commands.bench.arguments import add_arguments as add_bench_arguments
from server.commands.compile_ahead import add_arguments as add_compile_arguments
from server.commands.models.arguments import add_arguments as add_models_arguments
from server.commands.models.arguments import list_models
from server.observability.logs import set_up_logs
from server.process import event_loop
from server.settings import Settings, SettingsError
from server.tenancy.policy import SCOPES

Command = Callable[[argparse.Namespace, Settings], int | None]


def main() -> None:
    arguments = _parser().parse_args()
    run: Command = arguments.run
    try:
        settings = Settings.load()
        set_up_logs(settings)
        code = run(arguments, settings) or 0
    except (SettingsError, CatalogError, ChecksumError, WeightsError) as error:
        print(f"hua: {error}", file=sys.stderr)  # noqa: T201
        code = 1
    _exit(code)


def _exit(code: int) -> NoReturn:
    """Ends the process before the interpreter is torn down.

    Threads of the bucket's library that use the interpreter during its teardown abort the process
    (PyO3/pyo3-async-runtimes, issue 40), which looks like a crash.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hua", description="A self-hosted image-generation server.")
    parser.add_argument("--version", action="version", version=f"hua {version('hua')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Command, summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(run=run)
        return added

    command("serve", _serve, "run api, controller and a worker for each GPU in one process group")
    command("api", _api, "run the api: answer HTTP")
    command(
        "controller",
        _controller,
        "run the controller: queue, outcomes, callbacks, deletion",
    )
    worker = command("worker", _worker, "run a worker: tasks on one device")
    worker.add_argument("--device", help="auto, cpu or cuda:N; default HUA_DEVICE")
    add_models_arguments(command("models", list_models, "list, inspect, convert, verify and refresh models"))
    command("settings", _settings, "print the table of settings")
    add_compile_arguments(command("compile", _compile, "compile forward passes ahead into the folder HUA_COMPILE"))
    add_bench_arguments(command("bench", _bench, "measure this machine, compare with diffusers, and write a report"))
    _add_preflight(command("preflight", _preflight, "check device, models, Kafka, Redis and S3, and say what to fix"))
    command("metrics", _metrics, "print the table of metrics")
    _add_keys(commands.add_parser("keys", help="create, list and revoke API keys"))
    return parser


def _add_preflight(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, a list of objects")
    parser.add_argument("--no-device", action="store_true", help="skip the GPU, for an api or a controller")
    parser.add_argument("--no-sums", action="store_true", help="skip the checksums of the models")


def _add_keys(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("new", help="create a key; it is shown once, and only its hash is stored")
    new.set_defaults(run=_new_key)
    new.add_argument("tenant")
    new.add_argument("--scope", action="append", choices=SCOPES, default=[], help="default: submit, read and upload")
    new.add_argument("--days", type=float, help="days until it expires; default: never")
    new.add_argument("--note", default="", help="a note for people")
    actions.add_parser("list", help="list all keys by their hashes").set_defaults(run=_list_keys)
    revoke = actions.add_parser("revoke", help="remove a key from the tenants file")
    revoke.set_defaults(run=_revoke_key)
    revoke.add_argument("prefix", help="the first digits of its hash")
    secret = actions.add_parser("callback-secret", help="print the secret that signs a tenant's callbacks")
    secret.set_defaults(run=_callback_secret)
    secret.add_argument("tenant")


def _serve(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.roles import serve

    event_loop.run(serve(settings))


def _api(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.roles import api

    event_loop.run(api(settings))


def _controller(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.roles import controller

    event_loop.run(controller(settings))


def _worker(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.roles import worker

    event_loop.run(worker(settings, arguments.device or settings.device))


def _settings(arguments: argparse.Namespace, settings: Settings) -> None:
    print(Settings.table())  # noqa: T201


def _compile(arguments: argparse.Namespace, settings: Settings) -> int:
    from server.commands.compile_ahead import compile_ahead

    failed = 0
    for package, compiled in compile_ahead(settings, arguments.models, arguments.size, arguments.images):
        print(f"{package}{'' if compiled else ' could not be compiled'}", flush=True)  # noqa: T201
        failed |= not compiled
    return failed


def _bench(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.commands.bench.run import bench

    report = bench(arguments, settings)
    print("\n".join(report.summary), report.plan.out / "report.md", sep="\n")  # noqa: T201


def _preflight(arguments: argparse.Namespace, settings: Settings) -> int:
    from server.commands import preflight

    found = list(preflight.findings(settings, device=not arguments.no_device, sums=not arguments.no_sums))
    print(preflight.as_json(found) if arguments.json else preflight.table(found))  # noqa: T201
    return int(any(finding.result == "fail" for finding in found))


def _metrics(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.observability.metrics import table

    print(table())  # noqa: T201


def _new_key(arguments: argparse.Namespace, settings: Settings) -> None:
    print(api_keys.make(settings, arguments.tenant, arguments.scope, arguments.days, arguments.note))  # noqa: T201


def _list_keys(arguments: argparse.Namespace, settings: Settings) -> None:
    print(api_keys.table(settings))  # noqa: T201


def _revoke_key(arguments: argparse.Namespace, settings: Settings) -> None:
    print(api_keys.revoke(settings, arguments.prefix))  # noqa: T201


def _callback_secret(arguments: argparse.Namespace, settings: Settings) -> None:
    from server.egress.webhook_signature import format_secret, tenant_secret

    print(format_secret(tenant_secret(settings.secret_bytes, arguments.tenant)))  # noqa: T201


if __name__ == "__main__":
    main()
