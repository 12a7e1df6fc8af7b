"""The actions of `hua models`."""

from __future__ import annotations

import argparse
from pathlib import Path

from models import catalog
from models.catalog import checksums
from server.commands.models.convert import convert
from server.commands.models.inspect import describe, lines_of
from server.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION")
    summary = "list the models of the folder, and the files that cannot be used; the default action"
    actions.add_parser("list", aliases=["scan"], help=summary).set_defaults(run=list_models)
    inspect = actions.add_parser("inspect", help="print what the header of a file tells")
    inspect.set_defaults(run=_inspect)
    inspect.add_argument("file", type=Path)
    inspect.add_argument("--sha256", action="store_true", help="compute the SHA-256, too, which reads the whole file")
    pickle = actions.add_parser("convert", help="write a .ckpt, .pt, .pth or .bin file as .safetensors beside it")
    pickle.set_defaults(run=_convert)
    pickle.add_argument("file", type=Path)
    verify = actions.add_parser("verify", help=f"compare the files of a folder with its {checksums.FILE}")
    verify.set_defaults(run=_verify)
    verify.add_argument("folder", type=Path, nargs="?", help="default HUA_MODELS_DIR")
    then = verify.add_mutually_exclusive_group()
    then.add_argument("--mark", action="store_true", help="mark the folder as verified")
    then.add_argument("--wait", type=float, metavar="SECONDS", help="read nothing; wait for the mark")


def list_models(arguments: argparse.Namespace, settings: Settings) -> None:
    models = catalog.read(*settings.models_paths)
    for entry in models:
        names = ", ".join(entry.aliases)
        print(f"{entry.name:20} {entry.family:8} {entry.bytes / 2**20:9.1f} MiB  {names}")  # noqa: T201
    for problem in models.problems:
        print(f"not usable: {problem.path}: {problem.message}")  # noqa: T201


def _inspect(arguments: argparse.Namespace, settings: Settings) -> int:
    description = describe(arguments.file, sha256=arguments.sha256)
    print(*lines_of(description), sep="\n")  # noqa: T201
    return int("problem" in description)


def _convert(arguments: argparse.Namespace, settings: Settings) -> int:
    target = convert(arguments.file)
    print(f"wrote {target}")  # noqa: T201
    return _inspect(argparse.Namespace(file=target, sha256=False), settings)


def _verify(arguments: argparse.Namespace, settings: Settings) -> None:
    folder: Path = arguments.folder or settings.models_path
    if arguments.wait is not None:
        checksums.wait(folder, arguments.wait)
        return
    count = checksums.verify(folder, lambda name: print(f"{name}: as listed", flush=True))  # noqa: T201
    if arguments.mark:
        checksums.mark(folder)
    print(f"{count} files are as {folder / checksums.FILE} lists them")  # noqa: T201
