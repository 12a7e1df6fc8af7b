from __future__ import annotations

from ipaddress import ip_address

import pytest

from server.egress.allowlist import AllowRuleError, EgressAllowlist, destinations_of
from server.egress.target_url import EgressDeniedError, TargetUrl


def permits(entries, url, address=None):
    target = TargetUrl.parse(url)
    allow = EgressAllowlist(entries)
    try:
        if address is None:
            allow.check_host(target)
        else:
            allow.check_address(target, ip_address(address))
    except EgressDeniedError:
        return False
    return True


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822", "2002:5db8:d822::1"])
def test_public_addresses_are_allowed_by_default(address):
    assert permits([], "https://a.example/", address)
    assert not permits([], "https://a.example:8443/", address)


PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
    *("192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "240.0.0.1", "192.0.0.8"),
    *("::1", "fc00::1", "fd12:3456::1", "fec0::1", "::127.0.0.1", "::7f00:1", "4000::1", "2001:db8::1", "100::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1"),
    *("2002:7f00:1::1", "2002:a00:1::", "2001:0:5db8:d822::1", "2001:0:4136:e378:8000:63bf:f5ff:fffe"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address):
    assert not permits([], "http://a.example/", address)


METADATA = [
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"),
    *("fd20:ce::254", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1"),
    *("0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255"),
]


@pytest.mark.parametrize("address", METADATA)
def test_metadata_addresses_are_refused_even_if_listed(address):
    assert not permits(["0.0.0.0/0", "::/0", "a.example"], "http://a.example/", address)


def test_metadata_names_are_refused_even_if_listed():
    assert not permits(["metadata.google.internal"], "http://metadata.google.internal/")
    assert not permits(["metadata.google.internal"], "http://METADATA.google.internal./")


@pytest.mark.parametrize(
    ("entry", "url", "address", "expected"),
    [
        ("10.0.0.0/8", "http://a.corp/", "10.1.2.3", True),
        ("10.0.0.0/8", "http://a.corp:9000/", "10.1.2.3", True),
        ("10.0.0.0/8", "http://a.corp/", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "http://a.corp/", "192.168.0.1", False),
        ("10.0.0.0/8", "http://a.corp/", "::1", False),
        ("10.1.2.3:9000", "http://a.corp:9000/", "10.1.2.3", True),
        ("10.1.2.3:9000", "http://a.corp/", "10.1.2.3", False),
        ("fd00::/8", "http://a.corp:1/", "fd12::1", True),
        ("[fd00::/8]:9000", "http://a.corp:9000/", "fd12::1", True),
        ("[fd00::/8]:9000", "http://a.corp:9001/", "fd12::1", False),
        ("a.corp", "http://A.corp./", "10.1.2.3", True),
        ("A.Corp", "http://a.corp:8080/", "10.1.2.3", True),
        ("a.corp", "http://b.a.corp/", "10.1.2.3", False),
        ("a.corp:8080", "http://a.corp/", "10.1.2.3", False),
        (".corp", "http://b.a.corp/", "10.1.2.3", True),
        (".corp", "http://corp/", "10.1.2.3", False),
        (".corp", "http://evilcorp/", "10.1.2.3", False),
        ("images.example:8443", "https://images.example:8443/", "93.184.216.34", True),
        ("93.184.216.0/24:8443", "https://images.example:8443/", "93.184.216.34", True),
        ("localhost", "http://localhost:5000/", "127.0.0.1", True),
    ],
)
def test_listed_targets_are_allowed(entry, url, address, expected):
    assert permits([entry], url, address) is expected
    assert not permits([], url, address)


def test_check_host_needs_no_dns():
    assert permits([], "http://internal.corp/")
    assert not permits([], "http://internal.corp:9000/")
    assert permits(["10.0.0.0/8:9000"], "http://internal.corp:9000/")
    assert not permits(["other.corp:9000"], "http://internal.corp:9000/")


def test_refusal_names_the_entry_to_add_but_not_the_address():
    with pytest.raises(EgressDeniedError, match=r"add a\.corp:80 to HUA_EGRESS_ALLOW") as caught:
        EgressAllowlist().check_address(TargetUrl.parse("http://a.corp/"), ip_address("10.9.8.7"))
    assert "10.9" not in str(caught.value)
    with pytest.raises(EgressDeniedError, match=r"a redirect of a.corp") as caught:
        EgressAllowlist().check_address(
            TargetUrl.parse("http://a.corp/").redirected("http://hidden.corp/"), ip_address("10.9.8.7")
        )
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        ".",
        "10.0.0.0/33",
        "10.1.2.3/8",
        "a corp",
        "http://a.corp",
        "a.corp:",
        "a.corp:0",
        "a.corp:99999",
        "*",
        "127.1",
    ],
)
def test_invalid_entries_are_named(entry):
    with pytest.raises(AllowRuleError, match="HUA_EGRESS_ALLOW"):
        EgressAllowlist([entry])


def test_destinations_of_embedded_ipv4():
    assert [str(face) for face in destinations_of(ip_address("2001:0:4136:e378:8000:63bf:3fff:fdd2"))] == [
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "65.54.227.120",
        "192.0.2.45",
    ]
