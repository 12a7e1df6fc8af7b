"""Whether the files of a models folder are those of its SHA256SUMS, the list that `sha256sum` writes."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

from models.atomic_write import replacing

FILE = "SHA256SUMS"
MARK = ".verified"
WEIGHTS = frozenset({".safetensors", ".onnx"})
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_LOOK_S = 2.0


class ChecksumError(Exception):
    """The list or a file that it names is missing or wrong; the message says which, and what to do."""


def verify(folder: Path, seen: Callable[[str], None] = lambda name: None) -> int:
    """Hashes every file of the list, and says how many there are. Raises ChecksumError for the first that is wrong.

    Weights that the list leaves out are wrong as well: nobody vouches for them.
    """
    sums = read(folder)
    for name, expected in sums.items():
        found = _digest(folder / name, folder)
        if found != expected:
            raise ChecksumError(
                f"{name} has the SHA-256 {found}, but {FILE} says {expected}; copy it anew, or list it anew if it "
                "was meant to change"
            )
        seen(name)
    weights = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.suffix in WEIGHTS}
    if unknown := sorted(weights - set(sums)):
        raise ChecksumError(
            f"{unknown[0]} is not in {FILE}; list it (`sha256sum {unknown[0]} >> {FILE}`), or take it away"
        )
    return len(sums)


def read(folder: Path) -> dict[str, str]:
    """Digests by file name, as the list has them. Raises ChecksumError."""
    try:
        lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ChecksumError(
            f"cannot read {folder / FILE} ({error}); make it in that folder: "
            f"find . -type f ! -name '.*' ! -name {FILE} -exec sha256sum {{}} + > {FILE}"
        ) from error
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ChecksumError(f"line {number} of {folder / FILE} is not `SHA256  NAME`, as `sha256sum` writes it")
        sums[str(Path(match[2]))] = match[1]
    if not sums:
        raise ChecksumError(f"{folder / FILE} is empty; list the files of the models there")
    return sums


def mark(folder: Path) -> None:
    """Leaves word that the files were verified, for whoever waits and would not read them all again."""
    with replacing(folder / MARK) as draft:
        draft.write_text(_of_list(folder))


def marked(folder: Path) -> bool:
    """Whether the files were verified against the very list that is there now."""
    try:
        return (folder / MARK).read_text() == _of_list(folder)
    except OSError:
        return False


def wait(folder: Path, timeout_s: float) -> None:
    """Until the files have been verified. Raises ChecksumError if they are not within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not marked(folder):
        if time.monotonic() > deadline:
            raise ChecksumError(
                f"the files in {folder} have not been verified against their {FILE} for {timeout_s:g} s; "
                f"see why `hua models verify --mark {folder}` did not end well, or run it"
            )
        time.sleep(min(_LOOK_S, timeout_s))


def digest(file: Path) -> str:
    """The SHA-256 of a file, as hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _digest(file: Path, folder: Path) -> str:
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ChecksumError(f"{file} leads out of the models folder; list files of that folder alone")
    try:
        return digest(file)
    except OSError as error:
        raise ChecksumError(f"cannot read {file} ({error.strerror}); {FILE} lists it: copy it there") from error


def _of_list(folder: Path) -> str:
    return hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
