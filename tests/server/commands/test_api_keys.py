import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from server.commands import api_keys
from server.settings import Settings, SettingsError
from server.tenancy.auth import UnauthorizedError, new_key
from server.tenancy.tenants import Tenants


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(tenants=tmp_path / "tenants.yaml")


def secret(message: str) -> str:
    return re.search(r"hua_\S+", message)[0]


def test_new_key_works_at_once_and_only_its_hash_is_stored(settings):
    key_text = secret(api_keys.make(settings, "acme", (), None, ""))
    caller = Tenants(settings).keys.authenticate(f"Bearer {key_text}")
    assert (caller.tenant, caller.scopes) == ("acme", ("submit", "read", "upload"))
    assert key_text not in settings.tenants.read_text()
    assert settings.tenants.stat().st_mode & 0o077 == 0


def test_new_key_has_the_requested_scopes_expiry_and_note(settings):
    key_text = secret(api_keys.make(settings, "acme", ("read", "admin"), 30, "the bill"))
    assert Tenants(settings).keys.authenticate(f"Bearer {key_text}").scopes == ("read", "admin")
    (key,) = Tenants(settings).policy("acme").keys
    assert key.note == "the bill"
    assert timedelta(days=29) < key.expires - datetime.now(UTC) <= timedelta(days=30)


def test_key_rotation_has_no_gap(settings):
    """Rotation: both are good until the old one is revoked."""
    old, new = (secret(api_keys.make(settings, "acme", (), None, "")) for _ in range(2))
    of_old = Tenants(settings).policy("acme").keys[1].sha256
    api_keys.revoke(settings, of_old[:6])
    now = Tenants(settings).keys
    assert now.authenticate(f"Bearer {new}").tenant == "acme"
    with pytest.raises(UnauthorizedError):
        now.authenticate(f"Bearer {old}")


def test_commands_at_the_same_time_lose_no_change(settings):
    old = [secret(api_keys.make(settings, "acme", (), None, "")) for _ in range(4)]
    prefixes = [key.sha256[:12] for key in Tenants(settings).policy("acme").keys]
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(api_keys.make, settings, "acme", (), None, "") for _ in range(8)]
        revoked = [pool.submit(api_keys.revoke, settings, prefix) for prefix in prefixes]
        new = [secret(one.result()) for one in made]
        assert all("Revoked" in one.result() for one in revoked)
    keys = Tenants(settings).keys
    assert {keys.authenticate(f"Bearer {key}").tenant for key in new} == {"acme"}
    for key in old:
        with pytest.raises(UnauthorizedError):
            keys.authenticate(f"Bearer {key}")


def test_write_preserves_file_mode_and_symlink(settings, tmp_path):
    (tmp_path / "real.yaml").write_text("tenants: {}")
    (tmp_path / "real.yaml").chmod(0o640)
    settings.tenants.symlink_to(tmp_path / "real.yaml")
    api_keys.make(settings, "acme", (), None, "")
    assert settings.tenants.is_symlink()
    assert (tmp_path / "real.yaml").stat().st_mode & 0o777 == 0o640
    assert sorted(file.name for file in tmp_path.iterdir()) == [".real.yaml.lock", "real.yaml", "tenants.yaml"]


def test_table_shows_every_key_by_its_hash_prefix(settings):
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
def test_revoke_requires_a_unique_prefix(settings, prefix):
    api_keys.make(settings, "acme", (), None, "")
    before = settings.tenants.read_text()
    with pytest.raises(SettingsError, match="hua keys list"):
        api_keys.revoke(settings, prefix)
    assert settings.tenants.read_text() == before


def test_revoke_refuses_a_key_of_the_environment(settings):
    api_keys.make(settings, "acme", (), None, "")
    setting = new_key("env")[1]
    both = settings.model_copy(update={"api_keys": (setting,)})
    with pytest.raises(SettingsError, match="HUA_API_KEYS"):
        api_keys.revoke(both, setting.partition(":")[2])


def test_invalid_file_is_named_and_not_changed(settings):
    settings.tenants.write_text("tenants: {acme: {task_limt: 3}}")
    for command in (lambda: api_keys.make(settings, "acme", (), None, ""), lambda: api_keys.table(settings)):
        with pytest.raises(SettingsError, match=r"tenants\.yaml, line 1: .*did you mean task_limit"):
            command()
    assert settings.tenants.read_text() == "tenants: {acme: {task_limt: 3}}"


def test_make_without_a_file_prints_the_environment_setting(settings):
    assert re.search(r"Add to HUA_API_KEYS: +acme:[0-9a-f]{64}$", api_keys.make(Settings(), "acme", (), None, ""))
    for scopes, days, note in ((("read",), None, ""), ((), 3, ""), ((), None, "x")):
        with pytest.raises(SettingsError, match="HUA_TENANTS"):
            api_keys.make(Settings(), "acme", scopes, days, note)


def test_make_prints_the_entry_if_the_file_is_read_only(settings, monkeypatch):
    """As with a mounted secret. The error is simulated, because root may write any file."""
    api_keys.make(settings, "acme", (), None, "")
    before = settings.tenants.read_text()

    def refuse(path: object, text: str) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(api_keys, "_edit", refuse)
    message = api_keys.make(settings, "acme", ("read",), None, "")
    assert re.search(r"Read-only file system.*keys of acme:\n- \{sha256: [0-9a-f]{64}, scopes: \[read\]\}", message)
    assert settings.tenants.read_text() == before
    with pytest.raises(SettingsError, match="by hand"):
        api_keys.revoke(settings, Tenants(settings).policy("acme").keys[0].sha256)


@pytest.mark.parametrize("tenant", ["", "Red", "a/b"])
def test_make_refuses_an_invalid_tenant(settings, tenant):
    with pytest.raises(SettingsError, match="tenant"):
        api_keys.make(settings, tenant, (), None, "")
    assert not settings.tenants.exists()


@pytest.mark.parametrize("note", ["two\nlines", "x" * 201])
def test_make_refuses_a_note_of_several_or_long_lines(settings, note):
    with pytest.raises(SettingsError, match="one line"):
        api_keys.make(settings, "acme", (), None, note)
