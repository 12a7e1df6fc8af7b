from __future__ import annotations

import pytest

from server.egress.target_url import EgressDeniedError, TargetUrl, is_hostname


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("http://images.example/cat.png", "images.example", 80),
        ("HTTPS://Images.Example:8443/", "images.example", 8443),
        ("https://[2606:4700::1111]/x?y=1#z", "2606:4700::1111", 443),
        ("http://93.184.216.34", "93.184.216.34", 80),
        ("http://例え.jp/図.png", "xn--r8jz45g.jp", 80),
        ("http://under_score.example./", "under_score.example.", 80),
    ],
)
def test_parse_reads_host_port_and_address(text, host, port):
    target = TargetUrl.parse(text)
    assert (target.host, target.port) == (host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cat.png",
        "//example.com/x",
        "http:example.com",
        "http:///x",
        "http://",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "gopher://example.com/x",
        "javascript:alert(1)",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http://127.0.0.1\\@example.com/",
        "http://exa mple.com/",
        "http://exa\tmple.com/",
        "http://example.com\r\nHost: x/",
        "http://example..com/",
        "http://-example.com/",
        "http://ex%61mple.com/",
        "http://example.com:99999/",
        "http://example.com:0/",
        "http://example.com:x/",
        "http://example.com:+80/",
        "http://example.com:-80/",
        "http://example.com: 80/",
        "http://example.com:80 /",
        "http://example.com:8_0/",
        "http://example.com:８０/",
        "http://example.com:٨٠/",
        "http://[2606:4700::1111]:+80/",
        "http://example.com:80 ",
        "http://example.com/ ",
        " http://example.com/",
        "http://example.com/\u3000",
        "http://example.com/\ud800",
        "http://example.com/" + "é" * 1000,
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://" + "a" * 64 + ".com/",
        "http://example.com/" + "a" * 2048,
        "http://0x7f000001/",
        "http://2130706433/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://0x7f.0x0.0x0.0x1/",
        "http://1.2.3.4.5/",
        "http://256.1.1.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://１２７.0.0.1/",
    ],
)
def test_parse_refuses_other_urls(text):
    with pytest.raises(EgressDeniedError):
        TargetUrl.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://a.example",
        "HTTPS://A.Example:443/a b?c=d é#f",
        "http://例え.jp:0080/図.png?x=%zz",
        "http://a.example:/..//x",
        "http://[2606:4700:0::1111]:8080?y",
        "http://a.example/a:b@c:d",
    ],
)
def test_text_of_a_target_is_parsed_to_the_same_target(text):
    target = TargetUrl.parse(text)
    again = TargetUrl.parse(target.text)
    assert target.text.isascii()
    assert (again.text, again.host, again.port) == (target.text, target.host, target.port)


def test_redirect_label_hides_the_target():
    target = TargetUrl.parse("http://a.example/x").redirected("http://secret.internal/y")
    assert (target.host, target.label) == ("secret.internal", "a redirect of a.example")
    assert target.redirected("../z").label == "a redirect of a.example"
    with pytest.raises(EgressDeniedError, match=r"a.example does not redirect to an http") as caught:
        target.redirected("file:///secret")
    assert "secret" not in str(caught.value)


def test_redirect_resolves_relative_locations():
    assert str(TargetUrl.parse("https://a.example/x/y?q").redirected("z").url) == "https://a.example/x/z"


def test_is_hostname_refuses_forms_of_addresses():
    assert is_hostname("3com.example")
    assert is_hostname("localhost")
    assert not is_hostname("example.0x7f")
    assert not is_hostname("1")
