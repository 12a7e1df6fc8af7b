"""The tenants file as `hua keys` changes it: by a few lines where its layout allows, so that comments stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from server.tenancy.policy import ApiKey, TenantPolicy, TermsError, parsed

EMPTY = "tenants: {}\n"


def line(key: ApiKey) -> str:
    """A key as one line of YAML; what was not said is left out."""
    said = key.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(said, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 16).strip()


def with_key(text: str, tenant: str, key: ApiKey) -> str:
    """The file with one more key, its tenant's first, and with the tenant if it is new. Raises TermsError."""
    before = parsed(text)
    terms = before.get(tenant, TenantPolicy())
    after = {**before, tenant: terms.model_copy(update={"keys": (key, *terms.keys)})}
    return _checked(_inserted(text, tenant, line(key)), after)


def without_key(text: str, sha256: str) -> str:
    """The file without the key of this hash. Raises TermsError."""
    after = {
        tenant: terms.model_copy(update={"keys": tuple(key for key in terms.keys if key.sha256 != sha256)})
        for tenant, terms in parsed(text).items()
    }
    return _checked(_removed(text, sha256), after)


def _checked(draft: str, after: Mapping[str, TenantPolicy]) -> str:
    """The draft, if it says what it should; else the whole file anew, without its comments."""
    try:
        if parsed(draft) == after:
            return draft
    except TermsError:
        pass
    tenants = {tenant: terms.model_dump(mode="json", exclude_unset=True) for tenant, terms in after.items()}
    return yaml.safe_dump({"tenants": tenants}, sort_keys=False, allow_unicode=True)


def _inserted(text: str, tenant: str, key: str) -> str:
    """With the key before the first key, the first term or the first tenant that there is."""
    tenants = _entry(_root(text), "tenants")
    terms = _entry(tenants, tenant)
    places = (
        (_entry(terms, "keys"), [f"- {key}"]),
        (terms, ["keys:", f"  - {key}"]),
        (tenants, [f"{tenant}:", "  keys:", f"    - {key}"]),
    )
    for node, new in places:
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            place, indent = node.start_mark.line, " " * node.start_mark.column
            return _spliced(text, place, place, [f"{indent}{each}\n" for each in new])
    return ""


def _removed(text: str, sha256: str) -> str:
    """Without the lines of that key; comments behind it are left to the next."""
    for _, terms in _pairs(_entry(_root(text), "tenants")):
        keys = _entry(terms, "keys")
        for node in keys.value if isinstance(keys, yaml.SequenceNode) else ():
            digest = _entry(node, "sha256")
            if digest is not None and digest.value == sha256:
                first, last = node.start_mark.line, node.end_mark.line + bool(node.flow_style)
                lines = text.splitlines()
                while last > first + 1 and _says_nothing(lines[last - 1]):
                    last -= 1
                return _spliced(text, first, last, [])
    return ""


def _says_nothing(line: str) -> bool:
    return not line.partition("#")[0].strip()


def _root(text: str) -> yaml.Node | None:
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    return node


def _pairs(node: yaml.Node | None) -> Sequence[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else ()


def _entry(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((value for key, value in _pairs(node) if key.value == name), None)


def _spliced(text: str, first: int, last: int, new: Sequence[str]) -> str:
    """Lines `first` up to, without, `last` replaced."""
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:first], *new, *lines[last:]])
