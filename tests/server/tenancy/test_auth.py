import base64
from datetime import UTC, datetime

import pytest

from server.settings import SettingsError
from server.tenancy.auth import ANONYMOUS, ApiKeys, MissingScopeError, UnauthorizedError, new_key
from server.tenancy.policy import ApiKey

NOON = datetime(2027, 1, 1, 12, tzinfo=UTC)


def basic(user: str, key: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{key}".encode()).decode()


def new_api_key(tenant: str, **fields) -> tuple[str, tuple[str, ApiKey]]:
    """A key, and the pair of tenant and ApiKey that is stored for it."""
    key, setting = new_key(tenant)
    return key, (tenant, ApiKey(sha256=setting.partition(":")[2], **fields))


@pytest.fixture
def two_tenants() -> tuple[ApiKeys, str, str]:
    (red, stored_red), (blue, stored_blue) = new_api_key("red"), new_api_key("blue")
    return ApiKeys([stored_red, stored_blue]), red, blue


def test_anonymous_mode_needs_no_key():
    keys = ApiKeys([], anonymous=True)
    assert keys.authenticate(None).tenant == keys.authenticate("Bearer whatever").tenant == ANONYMOUS
    with pytest.raises(MissingScopeError):
        keys.authenticate(None).require("admin")


def test_empty_key_list_refuses_every_caller():
    with pytest.raises(UnauthorizedError):
        ApiKeys([]).authenticate("Bearer whatever")


def test_key_authenticates_its_tenant(two_tenants):
    keys, red, blue = two_tenants
    assert keys.authenticate(f"Bearer {red}").tenant == "red"
    assert keys.authenticate(f"bearer {blue}").tenant == "blue"


def test_basic_takes_the_key_as_password(two_tenants):
    keys, red, _ = two_tenants
    assert keys.authenticate(basic("my-app", red)).tenant == "red"
    assert keys.authenticate(basic("red", red)).tenant == "red"
    assert keys.authenticate(basic("", red)).tenant == "red"


def test_basic_with_the_name_of_another_tenant_is_refused(two_tenants):
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
def test_other_authorization_headers_are_refused(two_tenants, header):
    with pytest.raises(UnauthorizedError, match="key"):
        two_tenants[0].authenticate(header)


def test_basic_without_a_colon_is_refused(two_tenants):
    keys, red, _ = two_tenants
    with pytest.raises(UnauthorizedError):
        keys.authenticate("Basic " + base64.b64encode(red.encode()).decode())


def test_tenant_may_have_two_keys():
    (old, stored_old), (new, stored_new) = new_api_key("red"), new_api_key("red", scopes=("read",))
    keys = ApiKeys([stored_old, stored_new])
    assert keys.authenticate(f"Bearer {old}").tenant == keys.authenticate(f"Bearer {new}").tenant == "red"
    assert keys.authenticate(f"Bearer {new}").scopes == ("read",)


def test_caller_requires_scopes_of_its_key():
    key, stored = new_api_key("red", scopes=("read", "upload"))
    caller = ApiKeys([stored]).authenticate(f"Bearer {key}")
    caller.require("read")
    with pytest.raises(MissingScopeError, match=r"'submit', only read, upload"):
        caller.require("submit")


def test_key_is_refused_after_it_expires():
    now = [NOON.timestamp() - 1]
    key, stored = new_api_key("red", expires=NOON)
    keys = ApiKeys([stored], clock=lambda: now[0])
    assert keys.authenticate(f"Bearer {key}").tenant == "red"
    now[0] += 1
    with pytest.raises(UnauthorizedError, match="expired at 2027-01-01 12:00 UTC"):
        keys.authenticate(f"Bearer {key}")


def test_new_key_setting_does_not_contain_the_key():
    key, setting = new_key("red")
    assert key not in setting
    assert new_key("red")[0] != key


@pytest.mark.parametrize("tenant", ["", "Red", "a/b", "a" * 65, "甲"])
def test_new_key_refuses_a_wrong_tenant_name(tenant):
    with pytest.raises(SettingsError, match="tenant"):
        new_key(tenant)
