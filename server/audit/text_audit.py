"""The audit of words: of prompts before their task is accepted, and of texts that models have written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from server.audit.masking import without_places
from server.audit.matching import Match, Matcher
from server.audit.moderation import Moderation, ModerationError
from server.audit.moderation_kinds import Judgement, Subject
from server.audit.word_list import Rule
from server.audit.word_lists import CurrentWordLists, WordListError, WordLists, folding
from server.observability.metrics import TEXT_AUDIT_MATCHES
from server.settings import Settings
from server.task import AuditTerms, TextAction
from server.tenancy.policy import AuditPolicy

log = logging.getLogger(__name__)
SHORT = 1000
"""Characters. Longer texts are searched in a thread, so that the event loop goes on."""
MOST_ROUNDS = 5
"""What is left of a masked text is searched again, for its ends may make a new word. Then it is refused."""
MODERATION = "moderation"
"""The service's name among those of the lists."""


class UnsafeTextError(Exception):
    """A text has words that the terms of the tenant refuse. `reason` is a label; the words are never repeated."""

    code = "unsafe_prompt"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field or 'the text'} has words that this server does not allow ({reason}); change them")
        self.field, self.reason = field, reason
        self.details = {"reason": reason}
        """For the answer of our own API."""


class AuditUnavailableError(Exception):
    """A text could not be audited, so it is not accepted. `reason` is `timeout` or `unknown`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the words could not be checked ({reason}); send the request again later")
        self.reason = reason


@dataclass(slots=True)
class AuditedTexts:
    """Texts that may be used."""

    texts: dict[str, str]
    """By field, as they were or without what was masked."""
    reasons: list[str] = field(default_factory=list)
    """Labels of what was found, each once."""
    masked: int = 0
    """Places that were taken out."""

    def add(self, reasons: Iterable[str]) -> None:
        self.reasons += [reason for reason in dict.fromkeys(reasons) if reason not in self.reasons]


class TextAudit:
    """Judges texts by the word lists, and then by the moderation service if there is one."""

    def __init__(self, settings: Settings, moderation: Moderation | None = None) -> None:
        self._default: TextAction = settings.text_audit
        self._lists = CurrentWordLists(settings.words)
        self._moderation = moderation if "text" in settings.moderation_of else None
        self._open = settings.moderation_open
        self._allowed: dict[tuple[str, ...], Matcher] = {}
        self._unknown: set[str] = set()

    def terms(self, policy: AuditPolicy) -> AuditTerms:
        """What a tenant's policy means with the settings of this server.

        A tenant for which nothing is said has its texts judged by the moderation service, since the operator set one.
        """
        text: TextAction = policy.text or self._default
        moderation: TextAction = "off"
        if self._moderation is not None:
            moderation = "refuse" if text == "off" and policy.text is None else text
        return AuditTerms(
            text=text, moderation=moderation, lists=policy.lists, allow=policy.allow, images=policy.images
        )

    async def load(self) -> None:
        """Reads the lists before they are needed. Raises WordListError."""
        await self._lists.current()

    async def audit(self, texts: Mapping[str, str], terms: AuditTerms, subject: Subject) -> AuditedTexts:
        """Judges texts by field. Raises UnsafeTextError, AuditUnavailableError."""
        audited = AuditedTexts(dict(texts))
        if terms.text != "off":
            lists = await self._current_lists()
            for name, text in texts.items():
                audited.texts[name] = await self._by_lists(name, text, lists, terms, audited)
        if terms.moderation != "off" and self._moderation is not None:
            for name, text in audited.texts.items():
                if text.strip():
                    audited.texts[name] = await self._by_service(self._moderation, name, text, terms, subject, audited)
        return audited

    async def _current_lists(self) -> WordLists:
        try:
            return await self._lists.current()
        except WordListError as error:
            log.error("no words can be audited: %s", error)
            raise AuditUnavailableError("unknown") from error

    async def _by_lists(self, name: str, text: str, lists: WordLists, terms: AuditTerms, audited: AuditedTexts) -> str:
        for _ in range(MOST_ROUNDS):
            matches = await self._matches(text, lists, terms)
            if not matches:
                return text
            _count({match.rule.list for match in matches}, terms.text)
            reasons = [match.rule.label for match in matches]
            audited.add(reasons)
            if terms.text == "report":
                return text
            if terms.text == "refuse":
                break
            places = {place for match in matches for place in match.places}
            audited.masked += len(places)
            text = _masked(name, text, places, reasons[0])
        raise UnsafeTextError(name, reasons[0])

    async def _matches(self, text: str, lists: WordLists, terms: AuditTerms) -> list[Match]:
        if len(text) <= SHORT:
            return self._find(text, lists, terms)
        return await asyncio.to_thread(self._find, text, lists, terms)

    def _find(self, text: str, lists: WordLists, terms: AuditTerms) -> list[Match]:
        self._report_unknown(lists, terms.lists)
        matches = [match for match in lists.find(text) if _counts(match.rule.list, terms.lists)]
        if not (matches and terms.allow):
            return matches
        if terms.allow not in self._allowed:
            self._allowed[terms.allow] = Matcher((Rule("", "", (word,)) for word in terms.allow), folding())
        allowed = [place for match in self._allowed[terms.allow].find(text) for place in match.places]
        return [left for match in matches if (left := match.outside(allowed)).places]

    def _report_unknown(self, lists: WordLists, names: Sequence[str]) -> None:
        for name in names:
            if name not in self._unknown and not any(_counts(each, (name,)) for each in lists.names):
                self._unknown.add(name)
                log.error(
                    "a tenant's terms name the word list %r; there are %s", name, ", ".join(lists.names) or "none"
                )

    async def _by_service(
        self, moderation: Moderation, name: str, text: str, terms: AuditTerms, subject: Subject, audited: AuditedTexts
    ) -> str:
        try:
            judgement = await moderation.judge(text, subject)
        except ModerationError as error:
            if self._open:
                return text
            raise AuditUnavailableError(error.reason) from error
        if not judgement.reason:
            return text
        _count({MODERATION}, terms.moderation)
        audited.add([judgement.reason])
        if terms.moderation == "report":
            return text
        places = _places(judgement, len(text))
        if terms.moderation == "refuse" or not places:
            raise UnsafeTextError(name, judgement.reason)
        audited.masked += len(places)
        return _masked(name, text, places, judgement.reason)


def _counts(name: str, chosen: Sequence[str]) -> bool:
    return not chosen or any(name == each or name.startswith(f"{each}.") for each in chosen)


def _count(lists: Iterable[str], action: TextAction) -> None:
    for name in lists:
        TEXT_AUDIT_MATCHES.labels(name, action).inc()


def _places(judgement: Judgement, length: int) -> set[tuple[int, int]]:
    return {(start, end) for start, end in judgement.mask if 0 <= start < end <= length}


def _masked(name: str, text: str, places: Iterable[tuple[int, int]], reason: str) -> str:
    """Raises UnsafeTextError if nothing is left."""
    masked = without_places(text, places)
    if not any(map(str.isalnum, masked)):
        raise UnsafeTextError(name, reason)
    return masked
