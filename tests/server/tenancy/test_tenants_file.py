import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.tenancy.policy import ApiKey, TenantsFileError, parse_policies
from server.tenancy.tenants_file import EMPTY, key_line, with_key, without_key

A, B, NEW = "aa" * 32, "bb" * 32, "cc" * 32
LISTED = f"""\
# who may draw
tenants:
  acme:            # the shop
    weight: 2
    keys:
      # of the old site
      - {{sha256: {A}, note: old}}
      - sha256: {B}
        # until it is replaced
        scopes: [read]

  # nobody yet
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
    return {tenant: [key.sha256 for key in terms.keys] for tenant, terms in parse_policies(text).items()}


@pytest.mark.parametrize("tenant", ["acme", "plain", "new"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_key_is_added_whatever_the_layout_and_nothing_else_changes(layout, tenant):
    before = LAYOUTS[layout]
    key = ApiKey(sha256=NEW, scopes=("read",), note="it's: 'quoted', #not a comment")
    after = with_key(before, tenant, key)
    assert parse_policies(after)[tenant].keys[0] == key
    there = hashes(before)
    assert hashes(after) == there | {tenant: [NEW, *there.get(tenant, [])]}
    assert hashes(without_key(after, NEW)) == there | {tenant: there.get(tenant, [])}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_key_is_taken_out_whatever_the_layout(layout):
    before = LAYOUTS[layout]
    for sha256 in (A, B):
        left = {tenant: [one for one in kept if one != sha256] for tenant, kept in hashes(before).items()}
        assert hashes(without_key(before, sha256)) == left


@pytest.mark.parametrize("tenant", ["acme", "plain", "new"])
def test_adding_leaves_every_line_of_a_plain_file_as_it_was(tenant):
    after = with_key(LISTED, tenant, ApiKey(sha256=NEW)).splitlines()
    assert 1 <= len(after) - len(LISTED.splitlines()) <= 3
    rest = iter(after)
    assert all(each in rest for each in LISTED.splitlines()), "in their order"


def test_without_key_leaves_the_comments_of_others():
    for sha256 in (A, B):
        after = without_key(LISTED, sha256)
        for comment in ("# who may draw", "# the shop", "# of the old site", "# nobody yet"):
            assert comment in after


def test_last_key_leaves_the_comments_around_it():
    after = without_key(without_key(LISTED, A), B)
    for comment in ("# who may draw", "# the shop", "# of the old site", "# nobody yet"):
        assert comment in after


def test_wide_indent_stays_as_it_was():
    before = f"tenants:\n    acme:\n        keys:\n        - sha256: {A}\n    plain:\n"
    assert without_key(with_key(before, "plain", ApiKey(sha256=NEW)), NEW) == before.replace(
        "plain:\n", "plain:\n        keys:\n"
    )


def test_file_with_an_alias_is_written_without_comments():
    """A key that is added to one tenant must not appear under the other."""
    before = f"tenants:\n  acme: &same\n    keys: [{{sha256: {A}}}]  # both\n  plain: *same\n"
    assert hashes(with_key(before, "plain", ApiKey(sha256=NEW))) == {"acme": [A], "plain": [NEW, A]}


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40))
def test_any_note_stays_on_its_line_and_is_read_as_it_was_said(note: str) -> None:
    key = ApiKey(sha256=NEW, note=note)
    assert "\n" not in key_line(key)
    assert parse_policies(f"tenants: {{a: {{keys: [{key_line(key)}]}}}}")["a"].keys == (key,)


def test_a_file_that_is_wrong_is_left_alone():
    with pytest.raises(TenantsFileError):
        with_key("tenants: {acme: {task_limt: 3}}", "acme", ApiKey(sha256=NEW))
