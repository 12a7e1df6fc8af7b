import re
from datetime import UTC, datetime, timedelta

import pytest

from server.commands import api_keys
from server.settings import Settings, SettingsError
from server.tenancy.auth import UnauthorizedError, new_key
from server.tenancy.tenants import Tenants


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(tenants=tmp_path / "tenants.yaml")


def secret(said: str) -> str:
    return re.search(r"hua_\S+", said)[0]


def test_a_new_key_is_good_at_once_and_only_its_hash_is_kept(settings):
    made = secret(api_keys.make(settings, "acme", (), None, ""))
    caller = Tenants(settings).keys.authenticate(f"Bearer {made}")
    assert (caller.tenant, caller.scopes) == ("acme", ("submit", "read", "upload"))
    assert made not in settings.tenants.read_text()
    assert settings.tenants.stat().st_mode & 0o077 == 0


def test_a_key_has_the_scopes_the_end_and_the_note_that_were_asked_for(settings):
    made = secret(api_keys.make(settings, "acme", ("read", "admin"), 30, "the bill"))
    assert Tenants(settings).keys.authenticate(f"Bearer {made}").scopes == ("read", "admin")
    (key,) = Tenants(settings).policy("acme").keys
    assert key.note == "the bill"
    assert timedelta(days=29) < key.expires - datetime.now(UTC) <= timedelta(days=30)


def test_keys_are_changed_without_a_gap(settings):
    """Rotation: both are good until the old one is revoked."""
    old, new = (secret(api_keys.make(settings, "acme", (), None, "")) for _ in range(2))
    of_old = Tenants(settings).policy("acme").keys[1].sha256
    api_keys.revoke(settings, of_old[:6])
    now = Tenants(settings).keys
    assert now.authenticate(f"Bearer {new}").tenant == "acme"
    with pytest.raises(UnauthorizedError):
        now.authenticate(f"Bearer {old}")


def test_the_rights_of_the_file_stay_and_a_link_stays_a_link(settings, tmp_path):
    (tmp_path / "real.yaml").write_text("tenants: {}")
    (tmp_path / "real.yaml").chmod(0o640)
    settings.tenants.symlink_to(tmp_path / "real.yaml")
    api_keys.make(settings, "acme", (), None, "")
    assert settings.tenants.is_symlink()
    assert (tmp_path / "real.yaml").stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in tmp_path.iterdir()) == ["real.yaml", "tenants.yaml"]


def test_the_list_shows_every_key_and_no_more_of_it_than_names_it(settings):
    api_keys.make(settings, "acme", ("read",), -1, "old")
    api_keys.make(settings, "acme", (), 30, "")
    of_environment = new_key("env")[1]
    both = settings.model_copy(update={"api_keys": (of_environment,)})
    first, second, third = api_keys.table(both).splitlines()
    assert first.startswith(of_environment.partition(":")[2][:12] + "  env")
    assert "never expires" in first
    assert "until 20" in second
    assert re.fullmatch(r"[0-9a-f]{12}  acme +read +expired 20.* old", third)
    assert api_keys.table(Settings()) == "There are no keys."


@pytest.mark.parametrize("prefix", ["", "abc", "zzzzzz", "0" * 64])
def test_a_prefix_that_names_no_single_key_revokes_none(settings, prefix):
    api_keys.make(settings, "acme", (), None, "")
    before = settings.tenants.read_text()
    with pytest.raises(SettingsError, match="hua keys list"):
        api_keys.revoke(settings, prefix)
    assert settings.tenants.read_text() == before


def test_a_key_of_the_environment_is_revoked_there(settings):
    api_keys.make(settings, "acme", (), None, "")
    setting = new_key("env")[1]
    both = settings.model_copy(update={"api_keys": (setting,)})
    with pytest.raises(SettingsError, match="HUA_API_KEYS"):
        api_keys.revoke(both, setting.partition(":")[2])


def test_a_file_that_is_wrong_is_named_and_left_alone(settings):
    settings.tenants.write_text("tenants: {acme: {task_limt: 3}}")
    for deed in (lambda: api_keys.make(settings, "acme", (), None, ""), lambda: api_keys.table(settings)):
        with pytest.raises(SettingsError, match=r"tenants\.yaml, line 1: .*did you mean task_limit"):
            deed()
    assert settings.tenants.read_text() == "tenants: {acme: {task_limt: 3}}"


def test_without_a_file_a_key_goes_to_the_environment(settings):
    assert re.search(r"Add to HUA_API_KEYS: +acme:[0-9a-f]{64}$", api_keys.make(Settings(), "acme", (), None, ""))
    for scopes, days, note in ((("read",), None, ""), ((), 3, ""), ((), None, "x")):
        with pytest.raises(SettingsError, match="HUA_TENANTS"):
            api_keys.make(Settings(), "acme", scopes, days, note)


def test_a_file_that_cannot_be_written_is_left_and_the_line_is_shown(settings, monkeypatch):
    """A mounted secret; the tests may be root, whom no rights stop."""
    api_keys.make(settings, "acme", (), None, "")
    before = settings.tenants.read_text()

    def refuse(path: object, text: str) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(api_keys, "_write", refuse)
    said = api_keys.make(settings, "acme", ("read",), None, "")
    assert re.search(r"Read-only file system.*keys of acme:\n- \{sha256: [0-9a-f]{64}, scopes: \[read\]\}", said)
    assert settings.tenants.read_text() == before
    with pytest.raises(SettingsError, match="by hand"):
        api_keys.revoke(settings, Tenants(settings).policy("acme").keys[0].sha256)


@pytest.mark.parametrize("tenant", ["", "Red", "a/b"])
def test_a_wrong_tenant_gets_no_key(settings, tenant):
    with pytest.raises(SettingsError, match="tenant"):
        api_keys.make(settings, tenant, (), None, "")
    assert not settings.tenants.exists()


@pytest.mark.parametrize("note", ["two\nlines", "x" * 201])
def test_a_note_is_one_short_line(settings, note):
    with pytest.raises(SettingsError, match="one line"):
        api_keys.make(settings, "acme", (), None, note)
