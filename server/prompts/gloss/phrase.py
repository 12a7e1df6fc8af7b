"""A phrase of English that grows: its head, what stands before and after it, and how it may change."""

from __future__ import annotations

from dataclasses import dataclass, replace

from server.prompts.gloss.english import nouns, verbs


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words around a head: two | small red | car | with a driver."""

    head: str
    before: str = ""
    after: str = ""
    determiner: str = ""
    """`a`, `two`, `her`, `no`, a possessive. Empty: none; a place then says "the"."""
    many: bool = False
    """Of a quantity: the noun is in the plural."""
    mass: bool = False
    """The noun has neither article nor plural: water, hair."""
    name: bool = False
    """A name: no article."""
    colour: bool = False
    animate: bool = False
    """A person or an animal."""
    fixed: bool = False
    """A verb whose text is its only form: full of."""
    transitive: bool = False
    """A verb whose object is missing: made, not making, where it stands before a thing."""

    @property
    def text(self) -> str:
        words = join(self.before, self.head, self.after)
        if self.determiner == "a":
            return join(nouns.article(words), words)
        return join(self.determiner, words)

    @property
    def definite(self) -> str:
        """The text with "the", if nothing else determines it."""
        owner = self.determiner.endswith("'s") and " " not in self.determiner
        return join("the", self.text) if owner or not (self.determiner or self.name) else self.text

    @property
    def indefinite(self) -> str:
        """The text with "a", if it is one thing that can be counted."""
        if self.name and self.head in nouns.OBJECTIVE:
            return nouns.OBJECTIVE[self.head]
        if self.head in nouns.UNIQUE:
            return self.definite
        counted = not (self.determiner or self.name or self.mass or self.many or nouns.is_plural(self.head))
        return join(nouns.article(self.text), self.text) if counted else self.text

    @property
    def bare(self) -> bool:
        return not (self.determiner or self.after)

    @property
    def doing(self) -> str:
        """A verb phrase as a participle: riding a horse."""
        head = self.head if self.fixed or not self.head else verbs.gerund(self.head)
        return join(self.before, head, self.after)

    @property
    def done(self) -> str:
        """A verb phrase as a past participle: covered."""
        return join(self.before, self.head if self.fixed else verbs.participle(self.head), self.after)

    def prefix(self, words: str) -> Phrase:
        return replace(self, before=join(words, self.before))

    def suffix(self, words: str) -> Phrase:
        return replace(self, after=join(self.after, words))

    def several(self) -> Phrase:
        """The noun in the plural."""
        return self if self.mass or self.name else replace(self, head=nouns.plural(self.head))


def join(*parts: str) -> str:
    return " ".join(filter(None, parts)).replace(" ,", ",")
