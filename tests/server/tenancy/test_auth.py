import base64
from datetime import UTC, datetime

import pytest

from server.settings import SettingsError
from server.tenancy.auth import ANONYMOUS, ApiKeys, MissingScopeError, UnauthorizedError, new_key
from server.tenancy.policy import ApiKey

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)


def basic(user: str, key: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


def made(tenant: str, **fields) -> tuple[str, tuple[str, ApiKey]]:
    """A key, and what is kept of it."""
    key, setting = new_key(tenant)
    return key, (tenant, ApiKey(sha256=setting.partition(":")[2], **fields))


@pytest.fixture
def two_tenants() -> tuple[ApiKeys, str, str]:
    (red, kept_of_red), (blue, kept_of_blue) = made("red"), made("blue")
    return ApiKeys([kept_of_red, kept_of_blue]), red, blue


def test_where_there_are_to_be_no_keys_everyone_is_anonymous():
    keys = ApiKeys([], anonymous=True)
    assert keys.authenticate(None).tenant == keys.authenticate("Bearer whatever").tenant == ANONYMOUS
    with pytest.raises(MissingScopeError):
        keys.authenticate(None).require("admin")


def test_where_there_happen_to_be_no_keys_nobody_gets_in():
    with pytest.raises(UnauthorizedError):
        ApiKeys([]).authenticate("Bearer whatever")


def test_a_key_names_its_tenant(two_tenants):
    keys, red, blue = two_tenants
    assert keys.authenticate(f"Bearer {red}").tenant == "red"
    assert keys.authenticate(f"bearer {blue}").tenant == "blue"


def test_basic_takes_any_app_key_with_the_key_as_secret(two_tenants):
    keys, red, _ = two_tenants
    assert keys.authenticate(basic("my-app", red)).tenant == "red"
    assert keys.authenticate(basic("red", red)).tenant == "red"
    assert keys.authenticate(basic("", red)).tenant == "red"


def test_basic_with_another_tenants_name_is_refused(two_tenants):
    keys, red, _ = two_tenants
    with pytest.raises(UnauthorizedError):
        keys.authenticate(basic("blue", red))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer hua_wrong",
        "Basic",
        "Basic !!!",
        "Basic /w==",
        "Basic é",
        "Bearer é",
        "Digest x",
        basic("red", ""),
    ],
)
def test_anything_else_is_refused(two_tenants, header):
    with pytest.raises(UnauthorizedError, match="key"):
        two_tenants[0].authenticate(header)


def test_a_key_without_a_colon_in_basic_is_refused(two_tenants):
    keys, red, _ = two_tenants
    with pytest.raises(UnauthorizedError):
        keys.authenticate("Basic " + base64.b64encode(red.encode()).decode())


def test_one_tenant_may_have_two_keys():
    (old, kept_of_old), (new, kept_of_new) = made("red"), made("red", scopes=("read",))
    keys = ApiKeys([kept_of_old, kept_of_new])
    assert keys.authenticate(f"Bearer {old}").tenant == keys.authenticate(f"Bearer {new}").tenant == "red"
    assert keys.authenticate(f"Bearer {new}").scopes == ("read",)


def test_a_key_is_good_for_its_scopes_alone():
    key, kept = made("red", scopes=("read", "upload"))
    caller = ApiKeys([kept]).authenticate(f"Bearer {key}")
    caller.require("read")
    with pytest.raises(MissingScopeError, match=r"'submit', only read, upload"):
        caller.require("submit")


def test_a_key_is_good_until_it_expires_and_then_told_so():
    now = [NOON.timestamp() - 1]
    key, kept = made("red", expires=NOON)
    keys = ApiKeys([kept], clock=lambda: now[0])
    assert keys.authenticate(f"Bearer {key}").tenant == "red"
    now[0] += 1
    with pytest.raises(UnauthorizedError, match="expired at 2027-01-01 12:00 UTC"):
        keys.authenticate(f"Bearer {key}")


def test_a_setting_never_holds_the_key():
    key, setting = new_key("red")
    assert key not in setting
    assert new_key("red")[0] != key


@pytest.mark.parametrize("tenant", ["", "Red", "a/b", "a" * 65, "甲"])
def test_a_wrong_tenant_gets_no_key(tenant):
    with pytest.raises(SettingsError, match="tenant"):
        new_key(tenant)
