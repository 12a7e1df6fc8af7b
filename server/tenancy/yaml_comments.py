"""Removes items from lists of a YAML document that ruamel.yaml has loaded, without the comments of other items.

ruamel.yaml stores a comment with the scalar before it, so deleting an item also deletes the comment lines above the
next item. The functions here move those lines to the item or the name before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken


def remove_item(mapping: CommentedMap, name: str, index: int) -> None:
    """Removes item `index` of the list `mapping[name]`. Block style has no empty list, so null replaces it there."""
    items: CommentedSeq = mapping[name]
    comment = _comment_below(items, index)
    del items[index]
    if index > 0:
        _add_below(items, index - 1, comment)
    else:
        _add_above(mapping, name, comment)
    if not items and not items.fa.flow_style():
        _add_above(mapping, name, _text(items.ca.end))
        mapping[name] = None


def _comment_below(items: CommentedSeq, index: int) -> str:
    """The comment lines below an item, without the comment on its own last line."""
    tokens, slot = _tokens_behind(items, index)
    return tokens[slot].value.partition("\n")[2] if tokens[slot] else ""


def _add_below(items: CommentedSeq, index: int, text: str) -> None:
    if text:
        tokens, slot = _tokens_behind(items, index)
        tokens[slot] = _joined(tokens[slot], text)


def _add_above(mapping: CommentedMap, name: str, text: str) -> None:
    """Adds comment lines between a name and the first item of its list."""
    tokens = mapping.ca.items.setdefault(name, [None] * 4)
    if text or tokens[3]:
        tokens[2], tokens[3] = _joined(tokens[2], _text(tokens[3]) + text), None


def _tokens_behind(items: CommentedSeq, index: int) -> tuple[list[Any], int]:
    """The tokens of the last scalar of an item, and the position among them of the comment behind it."""
    node: Any = items
    last: Any = index
    while isinstance(value := node[last], CommentedMap | CommentedSeq) and value and not value.fa.flow_style():
        node, last = value, list(value)[-1] if isinstance(value, CommentedMap) else len(value) - 1
    if isinstance(node, CommentedMap):
        return node.ca.items.setdefault(last, [None] * 4), 2
    return node.ca.items.setdefault(last, [None] * 2), 0


def _joined(token: CommentToken | None, text: str) -> CommentToken:
    return CommentToken((token.value if token else "\n") + text, token.start_mark if token else CommentMark(0))


def _text(tokens: Sequence[CommentToken] | None) -> str:
    return "".join(" " * token.column * token.value.startswith("#") + token.value for token in tokens or ())
