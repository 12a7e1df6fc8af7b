"""The tenants file as `hua keys` changes it: ruamel.yaml's round trip keeps the comments, the order and the quotes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.util import load_yaml_guess_indent

from server.tenancy.policy import ApiKey, TenantPolicy, TenantsFileError, parse_policies
from server.tenancy.yaml_comments import remove_item

EMPTY = "tenants: {}\n"
LONGEST_LINE = 1 << 16
"""In characters. No line is folded, so that lines which are not changed stay as they are."""


def key_line(key: ApiKey) -> str:
    """A key as one line of YAML, without the fields that have their default."""
    fields = key.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(
        fields, default_flow_style=True, sort_keys=False, allow_unicode=True, width=LONGEST_LINE
    ).strip()


def with_key(text: str, tenant: str, key: ApiKey) -> str:
    """The file with `key` as the tenant's first key. A new tenant comes first, too. Raises TenantsFileError."""
    before = parse_policies(text)
    policy = before.get(tenant, TenantPolicy())
    after = {**before, tenant: policy.model_copy(update={"keys": (key, *policy.keys)})}

    def insert(tenants: CommentedMap) -> None:
        editor = YAML()
        editor.preserve_quotes = True  # YAML 1.1, which PyYAML reads, has words such as `yes` that need them
        _keys_of(tenants, tenant).insert(0, editor.load(key_line(key)))

    return _changed(text, insert, after)


def without_key(text: str, sha256: str) -> str:
    """The file without the key of this hash. Raises TenantsFileError."""
    after = {
        tenant: policy.model_copy(update={"keys": tuple(key for key in policy.keys if key.sha256 != sha256)})
        for tenant, policy in parse_policies(text).items()
    }

    def remove(tenants: CommentedMap) -> None:
        for policy in filter(None, tenants.values()):
            keys = policy.get("keys") or ()
            for index in reversed(range(len(keys))):
                if keys[index]["sha256"] == sha256:
                    remove_item(policy, "keys", index)

    return _changed(text, remove, after)


def _changed(text: str, change: Callable[[CommentedMap], None], after: Mapping[str, TenantPolicy]) -> str:
    """The text with `change` applied to its tenants. If the round trip fails, the file is written without comments."""
    try:
        draft = _round_trip(text, change)
        if parse_policies(draft) == after:
            return draft
    except (YAMLError, TenantsFileError):
        pass
    tenants = {tenant: policy.model_dump(mode="json", exclude_unset=True) for tenant, policy in after.items()}
    return yaml.safe_dump({"tenants": tenants}, sort_keys=False, allow_unicode=True)


def _round_trip(text: str, change: Callable[[CommentedMap], None]) -> str:
    _, _, offset = load_yaml_guess_indent(text)
    editor = YAML()
    editor.allow_duplicate_keys = True  # as PyYAML, which reads the file
    editor.preserve_quotes = True
    editor.width = LONGEST_LINE
    content = editor.load(text)
    tenants: CommentedMap = content["tenants"]
    offset = 2 if offset is None else offset
    indent = tenants.lc.col if tenants and not tenants.fa.flow_style() else 2
    editor.indent(mapping=indent, sequence=offset + 2, offset=offset)
    change(tenants)
    file = io.StringIO()
    editor.dump(content, file)
    return file.getvalue()


def _keys_of(tenants: CommentedMap, tenant: str) -> CommentedSeq:
    """The list of the tenant's keys, added where there is none."""
    if not tenants:
        tenants.fa.set_block_style()
    if tenant not in tenants:
        tenants.insert(0, tenant, CommentedMap())
    elif tenants[tenant] is None:
        tenants[tenant] = CommentedMap()
    policy = tenants[tenant]
    if "keys" not in policy:
        policy.insert(0, "keys", CommentedSeq())
    elif policy["keys"] is None:
        policy["keys"] = CommentedSeq()
    keys: CommentedSeq = policy["keys"]
    return keys
