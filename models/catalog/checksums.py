"""Checks the files of a models folder against its SHA256SUMS, a list as `sha256sum` writes it."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from models.atomic_write import replacing
from models.files.ncnn_param import BIN, PARAM
from models.plain_files import open_plain, resolve

FILE = "SHA256SUMS"
LIST_FILES = f"find . -type f ! -name '.*' ! -name {FILE} -exec sha256sum {{}} + > {FILE}"
"""The command that writes the list, in the folder. Names may have spaces, and the list does not name itself."""
MARK = ".verified"
WEIGHTS = frozenset({".safetensors", ".onnx", PARAM})
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_POLL_S = 2.0


class ChecksumError(Exception):
    """SHA256SUMS, or a file that it lists, is missing or wrong; the message says which, and what to do."""

    code = "bad_model"


def verify(folder: Path, on_verified: Callable[[str], None] = lambda name: None) -> int:
    """Hashes every file of the list, and returns how many there are. Raises ChecksumError for the first wrong one, and
    for weights that are not listed.

    `on_verified` is called with the name of each file that is right.
    """
    sums = read(folder)
    for name, expected in sums.items():
        actual = _digest(folder / name, folder)
        if actual != expected:
            raise ChecksumError(
                f"{name} has the SHA-256 {actual}, but {FILE} lists {expected}; copy the file again, or update the "
                "list if the change was intended"
            )
        on_verified(name)
    weights = {str(file.relative_to(folder)) for file in folder.rglob("*") if _is_loaded(file)}
    if unlisted := sorted(weights - set(sums)):
        raise ChecksumError(
            f"{unlisted[0]} is not in {FILE}; list it (`sha256sum {unlisted[0]} >> {FILE}`), or remove it"
        )
    return len(sums)


def read(folder: Path) -> dict[str, str]:
    """The digests of the list, by file name. Raises ChecksumError."""
    try:
        with open_plain(folder / FILE) as content:
            lines = content.read().decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ChecksumError(f"cannot read {folder / FILE} ({error}); create it in that folder: {LIST_FILES}") from error
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ChecksumError(f"line {number} of {folder / FILE} is not `SHA256  NAME`, as `sha256sum` writes it")
        sums[str(Path(match[2]))] = match[1]
    if not sums:
        raise ChecksumError(f"{folder / FILE} is empty; list the files of the models there")
    return sums


def unchanged_digests(folder: Path) -> dict[Path, str]:
    """The digests of the list by the path of their file, without the files that are newer than the list; none if the
    folder has no list. Raises ChecksumError."""
    try:
        written_ns = (folder / FILE).stat().st_mtime_ns
    except OSError:
        return {}
    digests: dict[Path, str] = {}
    for name, digest in read(folder).items():
        with suppress(OSError):
            file = resolve(folder / name)
            if file.stat().st_mtime_ns <= written_ns:
                digests[file] = digest
    return digests


def mark(folder: Path) -> None:
    """Writes a mark that the files are verified, so that other processes need not read them all again."""
    with replacing(folder / MARK) as temporary:
        temporary.write_text(_digest_of_list(folder))


def is_marked(folder: Path) -> bool:
    """Whether the files were verified against the current list."""
    try:
        return (folder / MARK).read_text() == _digest_of_list(folder)
    except OSError:
        return False


def wait(folder: Path, timeout_s: float) -> None:
    """Waits until the files are marked as verified. Raises ChecksumError if they are not within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_marked(folder):
        if time.monotonic() > deadline:
            raise ChecksumError(
                f"the files in {folder} have not been verified against their {FILE} for {timeout_s:g} s; "
                f"run `hua models verify --mark {folder}`, or see why it failed"
            )
        time.sleep(min(_POLL_S, timeout_s))


def digest(file: Path) -> str:
    """The SHA-256 of a file, as hex."""
    with open_plain(file) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _is_loaded(file: Path) -> bool:
    return file.suffix in WEIGHTS or (file.suffix == BIN and file.with_suffix(PARAM).is_file())


def _digest(file: Path, folder: Path) -> str:
    try:
        if not resolve(file).is_relative_to(resolve(folder)):
            raise ChecksumError(f"{file} leads out of the models folder; list only files of that folder")
        return digest(file)
    except OSError as error:
        raise ChecksumError(f"cannot read {file} ({error.strerror}), which {FILE} lists; copy it there") from error


def _digest_of_list(folder: Path) -> str:
    return hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
