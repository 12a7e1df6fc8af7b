import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.tenancy.policy import ApiKey, TenantsFileError, parse_policies
from server.tenancy.tenants_file import EMPTY, key_line, with_key, without_key

A, B, NEW = "aa" * 32, "bb" * 32, "cc" * 32
LISTED = f"""\
# all tenants
tenants:
  acme:            # the shop
    weight: 2
    keys:
      # for the old site
      - {{sha256: {A}, note: old}}
      - sha256: {B}
        # until March
        scopes: [read]

  # without keys
  plain:
    task_limit: 3
"""
LAYOUTS = {
    "listed": LISTED,
    "keys first": LISTED.replace("    weight: 2\n", ""),
    "no indent": f"tenants:\n  acme:\n    keys:\n    - sha256: {A}\n    - sha256: {B}\n    weight: 2\n",
    "keys in a row": f"tenants:\n  acme:\n    keys: [{{sha256: {A}}}, {{sha256: {B}}}]\n",
    "all in a row": f"tenants: {{acme: {{keys: [{{sha256: {A}}}, {{sha256: {B}}}]}}, plain: }}",
    "no keys": "tenants:\n  acme:\n    weight: 2\n  plain:\n",
    "null keys": "tenants:\n  acme:\n    keys:\n    weight: 2\n",
    "empty": EMPTY,
    "no last line end": f"tenants:\n  acme:\n    keys:\n      - sha256: {A}",
    "json": f'{{"tenants": {{"acme": {{"keys": [{{"sha256": "{A}"}}]}}}}}}',
}


def hashes(text: str) -> dict[str, list[str]]:
    return {tenant: [key.sha256 for key in policy.keys] for tenant, policy in parse_policies(text).items()}


@pytest.mark.parametrize("tenant", ["acme", "plain", "new"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_with_key_changes_nothing_else_in_any_layout(layout, tenant):
    before = LAYOUTS[layout]
    key = ApiKey(sha256=NEW, scopes=("read",), note="it's: 'quoted', #not a comment")
    after = with_key(before, tenant, key)
    assert parse_policies(after)[tenant].keys[0] == key
    expected = hashes(before)
    assert hashes(after) == expected | {tenant: [NEW, *expected.get(tenant, [])]}
    assert hashes(without_key(after, NEW)) == expected | {tenant: expected.get(tenant, [])}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_without_key_removes_the_key_in_any_layout(layout):
    before = LAYOUTS[layout]
    for sha256 in (A, B):
        left = {tenant: [one for one in keys if one != sha256] for tenant, keys in hashes(before).items()}
        assert hashes(without_key(before, sha256)) == left


@pytest.mark.parametrize("tenant", ["acme", "plain", "new"])
def test_with_key_leaves_all_lines_of_a_block_file(tenant):
    after = with_key(LISTED, tenant, ApiKey(sha256=NEW)).splitlines()
    assert 1 <= len(after) - len(LISTED.splitlines()) <= 3
    rest = iter(after)
    assert all(each in rest for each in LISTED.splitlines()), "in their order"


def test_first_key_of_an_empty_file_is_indented_as_the_docs_show():
    after = with_key(EMPTY, "acme", ApiKey(sha256=NEW))
    assert after == f"tenants:\n  acme:\n    keys:\n      - {{sha256: {NEW}}}\n"


def test_without_key_leaves_the_comments_of_others():
    for sha256 in (A, B):
        after = without_key(LISTED, sha256)
        for comment in ("# all tenants", "# the shop", "# for the old site", "# without keys"):
            assert comment in after


def test_without_last_key_comments_around_it_stay():
    after = without_key(without_key(LISTED, A), B)
    for comment in ("# all tenants", "# the shop", "# for the old site", "# without keys"):
        assert comment in after


def test_with_key_keeps_a_wide_indent():
    before = f"tenants:\n    acme:\n        keys:\n        - sha256: {A}\n    plain:\n"
    assert without_key(with_key(before, "plain", ApiKey(sha256=NEW)), NEW) == before.replace(
        "plain:\n", "plain:\n        keys:\n"
    )


def test_with_key_rewrites_a_file_with_aliases():
    """A key that is added to one tenant must not appear under the other."""
    before = f"tenants:\n  acme: &same\n    keys: [{{sha256: {A}}}]  # both\n  plain: *same\n"
    assert hashes(with_key(before, "plain", ApiKey(sha256=NEW))) == {"acme": [A], "plain": [NEW, A]}


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40))
def test_key_line_is_one_line_for_any_note(note: str) -> None:
    key = ApiKey(sha256=NEW, note=note)
    assert "\n" not in key_line(key)
    assert parse_policies(f"tenants: {{a: {{keys: [{key_line(key)}]}}}}")["a"].keys == (key,)


def test_with_key_refuses_an_invalid_file():
    with pytest.raises(TenantsFileError):
        with_key("tenants: {acme: {task_limt: 3}}", "acme", ApiKey(sha256=NEW))
