import os

import pytest

from server.settings import Settings, SettingsError
from server.tenancy.auth import UnauthorizedError, new_key
from server.tenancy.tenants import CHECK_EVERY_S, Tenants

KEY, SETTING = new_key("acme")
HASH = SETTING.partition(":")[2]


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "tenants.yaml"
    file.write_text(f"tenants: {{acme: {{task_limit: 3, keys: [{{sha256: {HASH}}}]}}}}")
    return file


@pytest.fixture
def tenants(file, clock) -> Tenants:
    return Tenants(Settings(tenants=file), monotonic=clock)


def knows(tenants: Tenants, key: str = KEY) -> bool:
    try:
        tenants.keys.authenticate(f"Bearer {key}")
    except UnauthorizedError:
        return False
    return True


def test_keys_and_policies_come_from_the_file(tenants):
    assert knows(tenants)
    assert tenants.policy("acme").task_limit == 3


def test_tenant_outside_the_file_has_the_default_policy(tenants):
    policy = tenants.policy("anybody")
    assert policy.priorities == ("high", "normal", "low")
    assert (policy.rate, policy.task_limit, policy.weight) == (None, None, 1.0)


def test_keys_of_settings_and_file_are_valid_together(file):
    second, setting = new_key("acme")
    tenants = Tenants(Settings(tenants=file, api_keys=setting))
    assert knows(tenants)
    assert knows(tenants, second)
    assert tenants.keys.authenticate(f"Bearer {second}").tenant == "acme"


def test_file_without_keys_refuses_every_caller(file):
    file.write_text("tenants: {acme: }")
    assert not Tenants(Settings(tenants=file)).keys.anonymous
    assert Tenants(Settings()).keys.anonymous


def test_changed_file_is_read_within_a_second(tenants, file, clock):
    assert knows(tenants)
    file.write_text("tenants: {acme: {task_limit: 4}}")
    assert knows(tenants), "the file is not checked for every request"
    clock.pass_by(CHECK_EVERY_S)
    assert not knows(tenants)
    assert tenants.policy("acme").task_limit == 4


def test_swapped_file_of_equal_time_and_size_is_noticed(tenants, file, clock, tmp_path):
    """Kubernetes changes a mounted secret in this way: the path is a link that is replaced."""
    assert tenants.policy("acme").task_limit == 3
    other = tmp_path / "other.yaml"
    other.write_text(file.read_text().replace("task_limit: 3", "task_limit: 5"))
    before = file.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    link = tmp_path / "link"
    link.symlink_to(other)
    link.replace(file)
    clock.pass_by(CHECK_EVERY_S)
    assert tenants.policy("acme").task_limit == 5


@pytest.mark.parametrize("broken", ["tenants: {acme: {task_limt: 4}}", "tenants: [", None])
def test_invalid_version_is_logged_once_and_ignored(tenants, file, clock, caplog, broken):
    assert knows(tenants)
    good = file.read_text()
    file.unlink()
    if broken is not None:
        file.write_text(broken)
    for _ in range(3):
        clock.pass_by(CHECK_EVERY_S)
        assert knows(tenants)
        assert tenants.policy("acme").task_limit == 3
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["the tenants stay as they were"]
    file.write_text(good.replace("task_limit: 3", "task_limit: 12"))
    clock.pass_by(CHECK_EVERY_S)
    assert tenants.policy("acme").task_limit == 12


def test_invalid_file_at_the_start_is_refused(file):
    file.write_text("tenants: {acme: {task_limt: 4}}")
    with pytest.raises(SettingsError, match="did you mean task_limit"):
        Tenants(Settings(tenants=file)).check()


@pytest.mark.parametrize("setting", ["red", "red:abc", ":" + "0" * 64, "Red:" + "0" * 64, "../x:" + "0" * 64])
def test_invalid_api_keys_setting_is_named(setting):
    with pytest.raises(SettingsError, match=r"HUA_API_KEYS.*hua keys new"):
        Tenants(Settings(api_keys=setting)).check()


def test_keys_expire_by_the_shared_clock(tmp_path):
    """I18: the clock of this machine has no effect."""
    file, noon = tmp_path / "expiring.yaml", 1_798_804_800.0
    file.write_text(f"tenants: {{acme: {{keys: [{{sha256: {HASH}, expires: 2027-01-01T12:00:00Z}}]}}}}")
    assert knows(Tenants(Settings(tenants=file), clock=lambda: noon - 1))
    assert not knows(Tenants(Settings(tenants=file), clock=lambda: noon))
