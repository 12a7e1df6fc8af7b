"""The words to which a LoRA answers, as its trainer wrote them into the header."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

MOST_WORDS = 20


def trigger_words(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The phrase that the author names, then the most frequent tags of the training pictures; at most 20."""
    phrase = metadata.get("modelspec.trigger_phrase", "").strip()
    words = dict.fromkeys([phrase] if phrase else [])
    words |= dict.fromkeys(tag for tag, _ in _tag_counts(metadata).most_common(MOST_WORDS))
    return tuple(words)[:MOST_WORDS]


def _tag_counts(metadata: Mapping[str, str]) -> Counter[str]:
    """How often each tag occurs in all folders of training pictures; empty if the metadata cannot be read."""
    counts: Counter[str] = Counter()
    try:
        folders = json.loads(metadata.get("ss_tag_frequency", "{}"))
        for tags in folders.values():
            for tag, count in tags.items():
                counts[tag.strip()] += int(count)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return Counter()
    del counts[""]
    return counts
