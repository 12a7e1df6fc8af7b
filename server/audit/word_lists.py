"""The word lists of a folder, as they are now: they are read again when a file changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from server.audit.folding import Folding
from server.audit.letters import Place
from server.audit.matching import Match, Matcher
from server.audit.simplified import simplified_characters
from server.audit.word_list import LIST_NAME, Problem, Rule, read_lines
from server.settings import SettingsError

log = logging.getLogger(__name__)
CHECK_EVERY_S = 1.0
STARTER = Path(__file__).parent / "starter_words"
MOST_REPORTED = 5
"""Wrong lines that are logged of each file."""

FolderVersion = tuple[tuple[str, int, int, int], ...]
"""Name, modification time, inode and size of each file."""


class WordListError(SettingsError):
    """The folder of HUA_WORDS, or a file in it, cannot be read."""


@dataclass(frozen=True, slots=True)
class WordLists:
    """Lists that were read together."""

    names: tuple[str, ...]
    matcher: Matcher

    def find(self, text: str) -> list[Match]:
        """What of all lists is in a text, without the words that a list allows where they stand."""
        matches = self.matcher.find(text)
        allowed: defaultdict[str, list[Place]] = defaultdict(list)
        for match in matches:
            if match.rule.allowed:
                allowed[match.rule.list] += match.places
        counted = (match.outside(allowed[match.rule.list]) for match in matches if not match.rule.allowed)
        return [match for match in counted if match.places]


def read_word_lists(folder: Path) -> WordLists:
    """Takes a second for 100,000 words, so not in the event loop. Raises WordListError."""
    rules: list[Rule] = []
    files = word_list_files(folder)
    for file in files:
        rules += _rules(file)
    return WordLists(tuple(file.stem for file in files), Matcher(rules, folding()))


@cache
def folding() -> Folding:
    """One for the whole process: it holds what each character has been folded to so far."""
    return Folding(simplified_characters())


def word_list_files(folder: Path) -> list[Path]:
    """Its lists, by name. Raises WordListError."""
    try:
        files = sorted(file for file in folder.iterdir() if file.suffix == ".txt" and not file.name.startswith("."))
    except OSError as error:
        raise WordListError(
            f"HUA_WORDS={folder} cannot be read ({error.strerror}); give a folder of .txt files"
        ) from error
    for file in files:
        if not LIST_NAME.fullmatch(file.stem):
            raise WordListError(
                f"HUA_WORDS: {file.name} is no name of a word list; name it LABEL.txt, LABEL.CATEGORY.txt or "
                "LABEL.CATEGORY.SUBLABEL.txt, without spaces"
            )
    return files


def _rules(file: Path) -> Iterator[Rule]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise WordListError(f"HUA_WORDS: {file} cannot be read ({what}); save it as UTF-8 text") from error
    problems: list[Problem] = []
    for each in read_lines(file.stem, text):
        if isinstance(each, Problem):
            problems.append(each)
        else:
            yield each
    for problem in problems[:MOST_REPORTED]:
        log.error("%s, line %d is left out: %s", file, problem.line, problem.message)
    if len(problems) > MOST_REPORTED:
        log.error("%s: %d more lines are left out", file, len(problems) - MOST_REPORTED)


class CurrentWordLists:
    """The lists of a folder. Nothing is read before the first use, because most servers audit no words.

    If a later version of a file cannot be read, an error is logged, and the lists stay as they were.
    """

    def __init__(self, folder: Path | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder or STARTER
        self._monotonic = monotonic
        self._checked_at = 0.0
        self._version: FolderVersion = ()
        self._lists: WordLists | None = None
        self._logged = ""
        self._reading = asyncio.Lock()

    async def current(self) -> WordLists:
        """Raises WordListError if they could never be read."""
        now = self._monotonic()
        if self._lists is not None and (now - self._checked_at < CHECK_EVERY_S or self._reading.locked()):
            return self._lists
        async with self._reading:
            if self._lists is None or self._monotonic() - self._checked_at >= CHECK_EVERY_S:
                self._lists = await asyncio.to_thread(self._read, self._lists)
                self._checked_at = self._monotonic()
            return self._lists

    def _read(self, previous: WordLists | None) -> WordLists:
        """In a thread, also the look at the files: a network disk may hang."""
        try:
            # The version is read before the content, so that a change between the two is noticed later.
            version = _version(self._folder)
            if previous is not None and version == self._version:
                return previous
            self._version = version
            lists = read_word_lists(self._folder)
        except WordListError as error:
            if previous is None:
                raise
            if str(error) != self._logged:
                log.error("the word lists stay as they were: %s", error)
            self._logged = str(error)
            return previous
        self._logged = ""
        if previous is not None:
            log.info("read the word lists of %s again: %s", self._folder, ", ".join(lists.names) or "none")
        return lists


def _version(folder: Path) -> FolderVersion:
    try:
        status = [(file.name, file.stat()) for file in word_list_files(folder)]
    except OSError as error:
        raise WordListError(f"HUA_WORDS={folder} cannot be read ({error.strerror})") from error
    return tuple((name, each.st_mtime_ns, each.st_ino, each.st_size) for name, each in status)
