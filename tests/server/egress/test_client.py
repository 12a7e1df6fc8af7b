from __future__ import annotations

import asyncio
import gzip
import socket
import sys
import threading
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from server.egress.client import Egress, EgressDeniedError, EgressFailedError, Reply, resolve
from server.egress.transport import trusting_tls
from tests.support.tls import certified, listening

CONNECTED: list[tuple] = []
sys.addaudithook(lambda event, args: CONNECTED.append(args[1]) if event == "socket.connect" else None)

PRIVATE_NAMES = {
    "loopback.example": ["127.0.0.1"],
    "lan.example": ["192.168.1.1"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "sixtofour.example": ["2002:a00:1::1"],
    "nat64.example": ["64:ff9b::a00:1"],
    "half.example": ["93.184.216.34", "10.0.0.1"],
    "zero.example": ["0.0.0.0"],
    "unique-local.example": ["fd12::1"],
}

FORBIDDEN_URLS = [
    *(f"http://{host}/" for host in PRIVATE_NAMES),
    *("http://127.0.0.1/", "http://127.0.0.1:80/", "https://127.0.0.1/", "http://127.8.8.8/", "http://0.0.0.0/"),
    *("http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://0177.0.0.1/", "http://0x7f.0.0.1/"),
    *("http://127.1/", "http://127.0.1/", "http://0/", "http://0x0/", "http://127.0.0.1./", "http://0x7f.1/"),
    *("http://10.0.0.1/", "http://172.16.5.4/", "http://192.168.0.1/", "http://100.64.0.1/", "http://198.18.0.1/"),
    *("http://167772161/", "http://0xa000001/", "http://012.0.0.1/", "http://10.1/", "http://3232235777/"),
    *("http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9fea9fe/", "http://169.254.43518/"),
    *("http://0251.0376.0251.0376/", "http://0xa9.0xfe.0xa9.0xfe/", "http://169.254.170.2/", "http://100.100.100.200/"),
    *("http://168.63.129.16/", "http://metadata.google.internal/", "http://metadata.google.internal./"),
    *(
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
    ),
    *(
        "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
    ),
    *("http://[fd00:ec2::254]/", "http://[fec0::1]/", "http://[ff02::1]/", "http://[64:ff9b::127.0.0.1]/"),
    *("http://[2002:7f00:1::]/", "http://[2001:0:7f00:1::1]/", "http://[64:ff9b:1::1]/", "http://[fe80::1%25lo]/"),
    *("http://224.0.0.1/", "http://255.255.255.255/", "http://240.0.0.1/", "http://192.0.0.192/", "http://192.0.2.1/"),
    *("http://93.184.216.34:22/", "http://93.184.216.34:6379/", "http://93.184.216.34:0/"),
    *("http://user@127.0.0.1/", "http://93.184.216.34@127.0.0.1/", "http://a.example\\@127.0.0.1/"),
    *("http://①②⑦.⓪.⓪.①/", "http://１２７.0.0.1/", "http://127。0。0。1/", "http://%31%32%37.0.0.1/"),
    *("file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL", "ftp://127.0.0.1/", "dict://127.0.0.1:11211/"),
    *("http:127.0.0.1/", "http:///127.0.0.1/", "//127.0.0.1/", "http://127.0.0.1#@a.example/", "unix:///run/x.sock"),
]


async def private_names(host, port):
    return PRIVATE_NAMES[host]


@pytest.fixture
def connected():
    CONNECTED.clear()
    return CONNECTED


@asynccontextmanager
async def serving(answer):
    """A server on loopback that calls `answer(head, writer)` for each request; yields its port."""

    async def serve(reader, writer):
        try:
            await answer(await reader.readuntil(b"\r\n\r\n"), writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def answering(*parts):
    async def answer(head, writer):
        for part in parts:
            writer.write(part)
            await writer.drain()

    return answer


def ok(body, headers=""):
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def redirect(location, status=302):
    return f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 6\r\n\r\nsecret".encode()


def loopback():
    return Egress(["127.0.0.1"])


def test_forbidden_urls_are_many():
    assert len(FORBIDDEN_URLS) >= 60


@pytest.mark.parametrize("url", FORBIDDEN_URLS)
async def test_forbidden_urls_are_never_connected_to(url, connected):
    egress = Egress(resolve=private_names)
    with pytest.raises(EgressDeniedError):
        await egress.fetch(url, 1000)
    with pytest.raises(EgressDeniedError):
        await egress.post(url, b"{}", {})
    assert connected == []


@pytest.mark.parametrize("url", [url for url in FORBIDDEN_URLS if not any(name in url for name in PRIVATE_NAMES)])
def test_check_refuses_without_dns(url):
    with pytest.raises(EgressDeniedError):
        Egress().check(url)


def test_check_accepts_ordinary_urls():
    Egress().check("https://images.example/cat.png")
    Egress(["10.0.0.0/8"]).check("http://10.0.0.1:9000/cat.png")


async def test_fetch_returns_the_body():
    async with serving(answering(ok(b"picture"))) as port:
        assert await loopback().fetch(f"http://127.0.0.1:{port}/cat.png", 7) == b"picture"


async def test_environment_proxies_are_ignored(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(answering(ok(b"picture"))) as port:
        assert await loopback().fetch(f"http://127.0.0.1:{port}/", 7) == b"picture"


async def test_fetch_connects_to_the_checked_address_with_the_host(connected):
    """Only our resolver knows the name, so a second look-up would fail."""
    heads = []

    async def answer(head, writer):
        heads.append(head.decode())
        writer.write(ok(b"x"))

    async def resolve(host, port):
        return ["127.0.0.1"]

    async with serving(answer) as port:
        egress = Egress(["images.example"], resolve=resolve)
        assert await egress.fetch(f"http://images.example:{port}/a?b=c", 9) == b"x"
    assert connected == [("127.0.0.1", port)]
    assert heads[0].startswith("GET /a?b=c HTTP/1.1\r\n")
    assert f"Host: images.example:{port}\r\n" in heads[0]
    assert "Accept-Encoding: identity\r\n" in heads[0]


async def test_tls_uses_the_host_name():
    hellos = []

    async def serve(reader, writer):
        hellos.append(await reader.read(4096))
        writer.close()

    async def resolve(host, port):
        return ["127.0.0.1"]

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(EgressFailedError):
            await Egress(["images.example"], resolve=resolve).fetch(f"https://images.example:{port}/", 9)
    assert b"images.example" in hellos[0]


async def test_dns_rebinding_is_refused(connected):
    """The name is public at the first look-up, private at the second. Each hop has one, and it is checked."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    resolved = []

    async def resolve(host, port):
        resolved.append(host)
        return next(answers)

    async with serving(answering(redirect("/again"))) as port:
        egress = Egress([f"127.0.0.1:{port}"], resolve=resolve)
        with pytest.raises(EgressDeniedError, match=r"a redirect of rebind.example may not be requested"):
            await egress.fetch(f"http://rebind.example:{port}/", 9)
    assert resolved == ["rebind.example", "rebind.example"]
    assert connected == [("127.0.0.1", port)]


@pytest.mark.parametrize("addresses", [["::1", "127.0.0.1"], ["127.0.0.1", "::1"]])
async def test_next_address_is_tried_after_a_failed_connect(addresses):
    async def resolve(host, port):
        return addresses

    async with serving(answering(ok(b"x"))) as port:
        assert await Egress(["two.example"], resolve=resolve).fetch(f"http://two.example:{port}/", 9) == b"x"


@pytest.mark.parametrize(
    "location",
    [
        *(
            "http://169.254.169.254/latest/",
            "http://10.0.0.1/",
            "http://[::1]/",
            "//192.168.0.1/",
            "file:///etc/passwd",
        ),
        *("http://user:secret@127.0.0.1/", "http://2130706433/", "http://hidden.corp:6379/", "http://\x7f/"),
    ],
)
async def test_redirect_targets_are_checked(location, connected):
    async with serving(answering(redirect(location))) as port:
        egress = Egress([f"127.0.0.1:{port}"])
        with pytest.raises(EgressDeniedError) as caught:
            await egress.fetch(f"http://127.0.0.1:{port}/", 1000)
    assert connected == [("127.0.0.1", port)]
    assert not any(
        hidden in str(caught.value) for hidden in ("169.254", "10.0", "192.168", "hidden", "secret", "passwd")
    )


@pytest.mark.parametrize(("hops", "fine"), [(3, True), (4, False)])
async def test_fetch_follows_three_redirects(hops, fine):
    async def answer(head, writer):
        left = int(head.split()[1].removeprefix(b"/"))
        writer.write(redirect(f"/{left - 1}") if left else ok(b"there"))

    async with serving(answer) as port:
        url = f"http://127.0.0.1:{port}/{hops}"
        if fine:
            assert await loopback().fetch(url, 9) == b"there"
        else:
            with pytest.raises(EgressFailedError, match="redirects more than 3 times") as caught:
                await loopback().fetch(url, 9)
            assert caught.value.permanent


async def test_redirect_loop_ends(connected):
    async with serving(answering(redirect("/"))) as port:
        with pytest.raises(EgressFailedError, match="redirects more than 3 times"):
            await loopback().fetch(f"http://127.0.0.1:{port}/", 9)
    assert len(connected) == 4


async def test_body_size_is_counted_while_reading():
    """The response has no Content-Length and never ends."""

    async def answer(head, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    async with serving(answer) as port:
        with pytest.raises(EgressFailedError, match="more than 10000 bytes") as caught:
            await loopback().fetch(f"http://127.0.0.1:{port}/", 10_000)
    assert caught.value.permanent


async def test_compressed_bodies_are_refused():
    bomb = gzip.compress(bytes(10_000_000))
    async with serving(answering(ok(bomb, "Content-Encoding: gzip\r\n"))) as port:
        with pytest.raises(EgressFailedError, match="compressed"):
            await loopback().fetch(f"http://127.0.0.1:{port}/", 1 << 30)


async def test_slow_server_times_out():
    async def answer(head, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with serving(answer) as port:
        egress = Egress(["127.0.0.1"], total_s=0.2)
        with pytest.raises(EgressFailedError, match=r"more than 0\.2 s") as caught:
            await egress.fetch(f"http://127.0.0.1:{port}/", 1000)
    assert not caught.value.permanent


async def test_slow_resolver_times_out():
    async def resolve(host, port):
        await asyncio.sleep(60)

    with pytest.raises(EgressFailedError, match="took more than"):
        await Egress(resolve=resolve, total_s=0.05).fetch("http://a.example/", 9)


async def test_slow_resolvers_do_not_block_the_default_executor(monkeypatch):
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait() and [])
    lookups = [asyncio.create_task(resolve(f"{number}.example", 80)) for number in range(40)]
    try:
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "encoded"), 10) == "encoded"
    finally:
        answered.set()
        await asyncio.gather(*lookups)


@pytest.mark.parametrize(
    ("answer", "message", "permanent"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nsecret", "answered 404", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "answered 204", True),
        (b"HTTP/1.1 503 No\r\nContent-Length: 6\r\n\r\nsecret", "answered 503", False),
        (b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", "answered 429", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsecret", "broke", False),
        (b"SSH-2.0-secret\r\n", "broke", False),
        (b"", "broke", False),
    ],
)
async def test_bad_responses_are_errors(answer, message, permanent):
    async with serving(answering(answer)) as port:
        with pytest.raises(EgressFailedError, match=message) as caught:
            await loopback().fetch(f"http://127.0.0.1:{port}/", 100)
    assert caught.value.permanent is permanent
    assert "secret" not in str(caught.value)


async def test_closed_port_and_unknown_name_are_errors():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    async def resolve(host, port):
        if host == "unknown.example":
            raise socket.gaierror(-2, "Name or service not known")
        return ["127.0.0.1"]

    egress = Egress(["closed.example"], resolve=resolve)
    with pytest.raises(EgressFailedError, match=r"closed.example does not accept connections") as caught:
        await egress.fetch(f"http://closed.example:{port}/", 9)
    assert "127.0" not in str(caught.value)
    with pytest.raises(EgressFailedError, match=r"unknown.example has no address"):
        await egress.fetch("http://unknown.example/", 9)


async def test_post_sends_body_and_headers():
    heads = []

    async def answer(head, writer):
        heads.append(head.decode())
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    async with serving(answer) as port:
        reply = await loopback().post(f"http://127.0.0.1:{port}/hook", b"{}", {"webhook-id": "1", "Host": "evil"})
    assert reply == Reply(202)
    assert heads[0].startswith("POST /hook HTTP/1.1\r\n")
    assert "webhook-id: 1\r\n" in heads[0]
    assert "Content-Length: 2\r\n" in heads[0]
    assert "evil" not in heads[0]


async def test_post_follows_no_redirect(connected):
    async with serving(answering(redirect("/other", 307))) as port:
        assert await loopback().post(f"http://127.0.0.1:{port}/", b"", {}) == Reply(307)
    assert len(connected) == 1


async def test_post_returns_retry_after():
    answer = b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    async with serving(answering(answer)) as port:
        assert await loopback().post(f"http://127.0.0.1:{port}/", b"", {}) == Reply(503, 7.0)


class NotFoundHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def forget_authorities():
    """They are read once for all tests."""
    yield trusting_tls.cache_clear
    trusting_tls.cache_clear()


async def test_authority_in_ssl_cert_file_is_trusted(tmp_path, monkeypatch, forget_authorities):
    certificate = certified(tmp_path)
    with listening(NotFoundHandler, certificate) as url:
        with pytest.raises(EgressFailedError, match="is not trusted; ask the operator"):
            await Egress(["localhost"]).fetch(url, 9)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.bundle))
        forget_authorities()
        with pytest.raises(EgressFailedError, match="answered 404"):
            await Egress(["localhost"]).fetch(url, 9)


async def test_unlisted_hosts_go_through_the_proxy_by_name(connected):
    heads = []

    async def proxy(head, writer):
        heads.append(head.decode())
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" if b"CONNECT" in head else ok(b"cat"))

    async with serving(proxy) as port, serving(answering(ok(b"dog"))) as near:
        egress = Egress(["127.0.0.1"], resolve=private_names, proxy=f"http://me:secret@127.0.0.1:{port}")
        assert await egress.fetch("http://images.example/cat.png", 9) == b"cat"
        with pytest.raises(EgressFailedError, match="the proxy of this server refuses images"):
            await egress.post("https://images.example/", b"{}", {})
        assert await egress.fetch(f"http://127.0.0.1:{near}/", 9) == b"dog"
    assert [head.partition("\r\n")[0] for head in heads] == [
        "GET http://images.example/cat.png HTTP/1.1",
        "CONNECT images.example:443 HTTP/1.1",
    ]
    assert all("Proxy-Authorization: Basic " in head for head in heads)
    assert {address[1] for address in connected} == {port, near}


@pytest.mark.parametrize(
    "url", [url for url in FORBIDDEN_URLS if url not in {f"http://{name}/" for name in PRIVATE_NAMES}]
)
async def test_addresses_in_urls_are_checked_before_the_proxy(url, connected):
    with pytest.raises(EgressDeniedError):
        await Egress(proxy="http://127.0.0.1:9").fetch(url, 9)
    assert connected == []
