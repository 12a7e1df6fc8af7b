"""Gathers the wheels of the lock in a folder: `make wheelhouse PYTHON=3.12 PLATFORM=manylinux_2_28_x86_64`.

The folder holds every package that Hua needs there, checked by the hashes of the lock, Hua itself, `requirements.txt`
with the hash of each file, `SHA256SUMS` and `INSTALL.txt`. The machine that gathers them may be of another kind.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename

from deploy.wheelhouse.selection import Chosen, Pin, SelectionError, choose, pins
from deploy.wheelhouse.tar_parts import SizeError, parse_size, sha256, write_parts
from deploy.wheelhouse.target import Target, TargetError

UV = os.environ.get("UV", "uv")
EXPORT = (UV, "export", "--frozen", "--quiet", "--no-dev", "--no-emit-project")
PLAIN = ("--no-hashes", "--no-annotate", "--no-header")
PIP = (UV, "tool", "run", "pip", "--disable-pip-version-check")
LOCKED = ("--no-deps", "--require-hashes")
"""Nothing but what the lock names."""
INSTALL = """Hua, for Python {python} on {platform}. To check the files and to install them into a new environment:

    sha256sum --check --quiet SHA256SUMS
    python{python} -m venv /opt/hua
    /opt/hua/bin/pip install --no-index --no-deps --find-links . --require-hashes -r requirements.txt
    /opt/hua/bin/hua preflight
"""


class WheelhouseError(Exception):
    """A program has failed, or a file is not what the lock says; the message says which."""


def gather(project: Path, folder: Path, target: Target, extras: Sequence[str]) -> list[Path]:
    """Fills the folder; returns the wheels. Files that are there already are not downloaded again.

    Raises SelectionError and WheelhouseError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = [argument for extra in extras for argument in ("--extra", extra)]
    export = _output([*EXPORT, *PLAIN, *options], project)
    chosen = choose(project / "uv.lock", pins(export, target), target)
    wheels = _download([each for each in chosen if not each.is_source], folder, target)
    wheels += [_build(each, folder, target) for each in chosen if each.is_source]
    with tempfile.TemporaryDirectory() as draft:
        _run([UV, "build", "--quiet", "--wheel", "--out-dir", draft, str(project)])
        [own] = Path(draft).glob("*.whl")
        wheels.append(folder / own.name)
        wheels[-1].write_bytes(own.read_bytes())
    _write_lists(folder, wheels, target)
    return wheels


def _download(chosen: Sequence[Chosen], folder: Path, target: Target) -> list[Path]:
    """The files, each with the hash of the lock."""
    with tempfile.TemporaryDirectory() as draft:
        listed = Path(draft, "requirements.txt")
        listed.write_text("".join(f"{each.requirement}\n" for each in chosen), encoding="utf-8")
        platforms = [argument for name in target.platforms() for argument in ("--platform", name)]
        abi = f"cp{target.minor.replace('.', '')}"
        python = ["--python-version", target.minor, "--implementation", "cp", "--abi", abi]
        files = ["--only-binary", ":all:", "--dest", str(folder), "--requirement", str(listed)]
        _run([*PIP, "download", *LOCKED, *python, *platforms, *files])
    for each in chosen:
        file = folder / each.filename
        if not file.exists() or sha256(file) != each.sha256:
            raise WheelhouseError(f"{each.filename} is missing or not the file of the lock; delete it and try again")
    return [folder / each.filename for each in chosen]


def _build(source: Chosen, folder: Path, target: Target) -> Path:
    """The wheel that is built from a source. Raises WheelhouseError if it is for this machine alone."""
    with tempfile.TemporaryDirectory() as draft:
        listed, built = Path(draft, "requirements.txt"), Path(draft, "built")
        listed.write_text(f"{source.requirement}\n", encoding="utf-8")
        files = ["--no-binary", source.pin.name, "--wheel-dir", str(built), "--requirement", str(listed)]
        _run([*PIP, "wheel", *LOCKED, *files])
        [wheel] = built.glob("*.whl")
        _, _, _, tags = parse_wheel_filename(wheel.name)
        if not tags & set(target.tags()):
            raise WheelhouseError(
                f"{source.pin} has no wheel for Python {target.python} on {target.platform}, and the one that is built "
                f"here does not run there ({wheel.name}); gather the wheels on a machine like the target"
            )
        (folder / wheel.name).write_bytes(wheel.read_bytes())
        return folder / wheel.name


def _write_lists(folder: Path, wheels: Sequence[Path], target: Target) -> None:
    """What is in the folder; files of an earlier lock are deleted."""
    for file in set(folder.glob("*.whl")) - set(wheels):
        file.unlink()
    lines = []
    for wheel in sorted(wheels):
        name, version, _, _ = parse_wheel_filename(wheel.name)
        lines.append(Chosen(Pin(name, str(version)), wheel.name, sha256(wheel)).requirement)
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    install = INSTALL.format(python=target.minor, platform=target.platform)
    (folder / "INSTALL.txt").write_text(install, encoding="utf-8")
    files = [*sorted(wheels), folder / "requirements.txt", folder / "INSTALL.txt"]
    sums = "".join(f"{sha256(file)}  {file.name}\n" for file in files)
    (folder / "SHA256SUMS").write_text(sums, encoding="utf-8")


def _output(command: Sequence[str], project: Path) -> str:
    done = subprocess.run(command, cwd=project, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise WheelhouseError(f"`{' '.join(command)}` exited with {done.returncode}; see its messages above")
    return done.stdout


def _run(command: Sequence[str]) -> None:
    if code := subprocess.run(command, check=False).returncode:
        raise WheelhouseError(f"`{' '.join(command[:5])} …` exited with {code}; see its messages above")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.wheelhouse", description=__doc__)
    parser.add_argument("--python", required=True, help="of the target, such as 3.12")
    parser.add_argument("--platform", required=True, help="of the target, such as manylinux_2_28_x86_64")
    parser.add_argument("--extras", nargs="*", default=["device", "bench"], help="default: device bench")
    parser.add_argument("--out", type=Path, default=Path("build/wheelhouse"), help="folder of the wheels")
    parser.add_argument("--split", default="", help="also write a tar file in parts of this size, such as 2G")
    arguments = parser.parse_args()
    try:
        part_bytes = parse_size(arguments.split) if arguments.split else 0
        target, folder = Target(arguments.python, arguments.platform), arguments.out.resolve()
        wheels = gather(Path.cwd(), folder, target, arguments.extras)
    except (SelectionError, SizeError, TargetError, WheelhouseError) as error:
        sys.exit(f"wheelhouse: {error}")
    size = sum(wheel.stat().st_size for wheel in wheels)
    print(f"{len(wheels)} wheels, {size / 1e9:.2f} GB, in {folder}; INSTALL.txt says how to install them")  # noqa: T201
    if part_bytes:
        parts = write_parts(folder, part_bytes)
        print(f"{len(parts)} parts, {parts[0]} and on; `cat {folder.name}.tar.0* | tar x` joins them")  # noqa: T201


if __name__ == "__main__":
    main()
