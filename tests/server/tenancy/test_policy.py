import re
from datetime import UTC, datetime

import pytest

from server.tenancy.policy import AuditPolicy, Rate, TenantPolicy, TenantsFileError, parse_policies, read_policies

HASH = "ab" * 32
FULL = f"""
tenants:
  acme:
    task_limit: 16
    rate: {{per_minute: 60, burst: 5}}
    weight: 2
    upload_count: 100
    upload_bytes: 5GiB
    priorities: [high, normal]
    retentions: [5m]
    keys:
      - {{sha256: {HASH}, scopes: [submit], expires: 2027-01-01, note: the web shop}}
      - sha256: {HASH}
        expires: 2027-01-01T12:00:00+08:00
  plain:
"""


def test_parse_policies_reads_all_fields():
    acme = parse_policies(FULL)["acme"]
    assert (acme.task_limit, acme.weight, acme.rate) == (16, 2.0, Rate(per_minute=60, burst=5))
    assert (acme.upload_count, acme.upload_bytes) == (100, 5 << 30)
    assert (acme.priorities, acme.retentions) == (("high", "normal"), ("5m",))
    first, second = acme.keys
    assert (first.scopes, first.note) == (("submit",), "the web shop")
    assert first.expires == datetime(2027, 1, 1, tzinfo=UTC)
    assert second.expires == datetime(2027, 1, 1, 4, tzinfo=UTC)
    assert second.scopes == ("submit", "read", "upload")


def test_prompts_may_have_a_rate_of_their_own():
    policies = parse_policies("tenants: {acme: {prompt_rate: {per_minute: 1200, burst: 20}}, plain: }")
    assert policies["acme"].prompt_rate == Rate(per_minute=1200, burst=20)
    assert policies["plain"].prompt_rate is None


@pytest.mark.parametrize("off", ["off", "'off'", "false"])
def test_audit_of_a_tenant_may_be_off(off):
    audit = parse_policies(f"tenants: {{acme: {{audit: {{text: {off}, images: {off}}}}}}}")["acme"].audit
    assert (audit.text, audit.images) == ("off", "off")


def test_audit_of_a_tenant_has_lists_and_allowed_words():
    audit = parse_policies("tenants: {acme: {audit: {text: mask, lists: [a, b.c], allow: [' x y ']}}, plain: }")
    assert audit["acme"].audit == AuditPolicy(text="mask", lists=("a", "b.c"), allow=("x y",))
    assert audit["plain"].audit == AuditPolicy()


@pytest.mark.parametrize(
    ("audit", "message"),
    [
        ("txt: mask", "line 1: tenants.acme.audit.txt is unknown; did you mean text?"),
        ("text: deny", "line 1: tenants.acme.audit.text: input should be 'off', 'report', 'mask' or 'refuse'"),
    ],
)
def test_wrong_audit_is_refused(audit, message):
    with pytest.raises(TenantsFileError, match=re.escape(message)):
        parse_policies(f"tenants: {{acme: {{audit: {{{audit}}}}}}}")


def test_empty_tenant_has_no_keys_and_no_high_priority():
    assert parse_policies(FULL)["plain"] == TenantPolicy()
    assert TenantPolicy().priorities == ("normal", "low")


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("task_limit: 16", "task_limt: 16", ", line 4: tenants.acme.task_limt is unknown; did you mean task_limit?"),
        ("scopes:", "zzz:", ", line 12: tenants.acme.keys.0.zzz is unknown; use one of sha256, scopes"),
        ("burst:", "brust:", ", line 5: tenants.acme.rate.brust is unknown; did you mean burst?"),
        ("\ntenants:", "\ntenant:", ", line 2: tenant is unknown; did you mean tenants?"),
        ("[submit]", "[sumbit]", ", line 12: tenants.acme.keys.0.scopes.0: input should be 'submit', 'read'"),
        ("[submit]", "[]", ", line 12: tenants.acme.keys.0.scopes"),
        ("acme", "../acme", ", line 3: tenants.../acme"),
        ("weight: 2", "weight: 0", ", line 6: tenants.acme.weight: input should be greater"),
        ("task_limit: 16", "task_limit: -1", ", line 4: tenants.acme.task_limit"),
        ("[5m]", "[1y]", ", line 10: tenants.acme.retentions.0"),
        (HASH, "abc", ", line 12: tenants.acme.keys.0.sha256"),
        ("tenants:", "tenants: [", " is not valid YAML"),
        (FULL, "", ", line 1: the file"),
        (FULL, "tenants: 3", ", line 1: tenants"),
        (FULL, "{}", ", line 1: tenants: field required"),
    ],
)
def test_parse_error_names_the_line(right, wrong, message):
    with pytest.raises(TenantsFileError) as caught:
        parse_policies(FULL.replace(right, wrong, 1))
    assert str(caught.value).startswith(message)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(TenantsFileError, match=r"HUA_TENANTS=.*tenants\.yaml cannot be read"):
        read_policies(tmp_path / "tenants.yaml")


def test_invalid_file_is_named(tmp_path):
    (tmp_path / "tenants.yaml").write_text("tenants: {acme: {keys: 3}}")
    with pytest.raises(TenantsFileError, match=r"tenants\.yaml, line 1: tenants\.acme\.keys"):
        read_policies(tmp_path / "tenants.yaml")


@pytest.mark.parametrize(("line", "keep_bytes"), [("keep_bytes: 1GiB", 1 << 30), ("keep_bytes: 0", 0), ("", None)])
def test_bytes_that_a_tenant_may_keep(line, keep_bytes) -> None:
    policy = parse_policies(f"tenants:\n  acme:\n    weight: 1\n    {line}\n")["acme"]
    assert policy.keep_bytes == keep_bytes
    assert "keep" in policy.retentions
