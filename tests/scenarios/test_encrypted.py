"""Encrypted DNS of a running filter, by the clients that devices have; certificates that come, go and run out."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.certificates import NAME, Authority
from tests.running import PUPIL, SCHOOL, STAFF, Server, free_port, question, until, write_school
from tests.upstreams import ADDRESS, Upstream


class School:
    """A running filter with encrypted listeners, and the files it was started with."""

    def __init__(self, directory: Path, upstream: Upstream, workers: int = 1, **encrypted: object) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.authority = Authority(directory)
        self.dot, self.doh = free_port(), free_port()
        self.config, self.state = write_school(directory, school=SCHOOL + self.yaml(**encrypted))
        self.server = Server(self.config, self.state, upstreams=(upstream.url,), workers=workers)

    def yaml(self, **changes: object) -> str:
        keys = {
            "name": NAME, "certificate": self.authority.certificate, "key": self.authority.key,
            "dot": f'["127.0.0.1:{self.dot}"]', "doh": f'["127.0.0.1:{self.doh}"]', **changes,
        }  # fmt: skip
        return "encrypted: {" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}\n"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as found:
        yield found


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[School]:
    found = School(tmp_path_factory.mktemp("school"), upstream, workers=2)
    with found.server:
        yield found


def run(*command: str, stdin: str = "") -> str:
    """What a tool says; the test is skipped where it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=20, input=stdin)
    return done.stdout + done.stderr


def kdig(school: School, *options: str, port: int, source: str = PUPIL) -> str:
    trust = [f"+tls-ca={school.authority.ca}", f"+tls-hostname={NAME}"]
    return run("kdig", "@127.0.0.1", "-p", str(port), "-b", source, *trust, *options)


@pytest.mark.parametrize("option", ["+tls", "+https", "+https-get"])
@pytest.mark.parametrize(("source", "action"), [(PUPIL, "0.0.0.0"), (STAFF, ADDRESS)])
def test_kdig_hears_what_its_class_hears(school: School, option: str, source: str, action: str) -> None:
    port = school.dot if option == "+tls" else school.doh
    found = kdig(school, option, "+padding", "games.tro-choi.example", port=port, source=source)
    assert "status: NOERROR" in found, found
    assert "TLS1.3" in found
    assert "Received 468 B" in found
    blocked = kdig(school, option, "adult.example", port=port, source=source)
    assert "EDE: 15 (Blocked)" in blocked


def test_dig_asks_over_https(school: School) -> None:
    if "+[no]https" not in run("dig", "-h"):
        pytest.skip("this dig has no +https")
    trust = [f"+tls-ca={school.authority.ca}", f"+tls-hostname={NAME}"]
    found = run("dig", "@127.0.0.1", "-p", str(school.doh), "-b", PUPIL, "+https", *trust, "www.example.org")
    assert ADDRESS in found
    assert "(HTTPS)" in found


@pytest.mark.parametrize(("port", "alpn"), [("dot", "dot"), ("doh", "h2"), ("doh", "http/1.1")])
def test_openssl_finds_a_sound_server(school: School, port: str, alpn: str) -> None:
    address = f"127.0.0.1:{getattr(school, port)}"
    common = ["-connect", address, "-servername", NAME, "-alpn", alpn, "-CAfile", str(school.authority.ca)]
    found = run("openssl", "s_client", *common, "-verify_return_error", "-verify_hostname", NAME)
    assert f"ALPN protocol: {alpn}" in found
    assert "Verify return code: 0 (ok)" in found
    assert "alert" in run("openssl", "s_client", *common, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")


@pytest.mark.parametrize("http2", [True, False], ids=["http2", "http1"])
def test_a_browser_asks_again_and_again_on_one_connection(school: School, http2: bool) -> None:
    transport = httpx.HTTPTransport(verify=school.authority.client(), http2=http2, local_address=PUPIL)
    url = f"https://127.0.0.1:{school.doh}/dns-query"
    with httpx.Client(transport=transport) as client:
        for _ in range(20):
            content = bytes(question("www.example.org").pack())
            reply = client.post(url, content=content, headers={"content-type": "application/dns-message"})
            assert (reply.status_code, reply.headers["cache-control"]) == (200, "max-age=60")
            assert reply.content[:2] == content[:2]


def test_devices_are_told_where_it_is(school: School) -> None:
    server = ["dig", "@127.0.0.1", "-p", str(school.server.port), "-b", PUPIL]
    found = run(*server, "+short", "_dns.resolver.arpa", "SVCB").splitlines()
    assert len(found) == 2
    assert re.fullmatch(rf'1 {NAME}\. alpn="dot" port={school.dot} ipv4hint=127\.0\.0\.1', found[0])
    assert found[1].startswith(f'2 {NAME}. alpn="h2,http/1.1" port={school.doh} ipv4hint=127.0.0.1 ')
    assert run(*server, "+short", NAME, "A").strip() == "127.0.0.1"
    assert "status: NOERROR" in run(*server, "resolver.arpa", "SVCB")


def test_transports_are_told_apart_in_the_metrics(school: School) -> None:
    kdig(school, "+tls", "www.example.org", port=school.dot)
    kdig(school, "+https", "www.example.org", port=school.doh)

    def counted() -> set[str]:
        return {
            labels["transport"] for name, labels, _ in school.server.samples() if name == "filterd_dns_queries_total"
        }

    until(lambda: {"tls", "https"} <= counted(), "both transports in the metrics")


def test_without_encrypted_dns_there_is_nothing_to_discover(tmp_path: Path, upstream: Upstream) -> None:
    config, state = write_school(tmp_path)
    with Server(config, state, upstreams=(upstream.url,)) as server:
        reply = server.ask("_dns.resolver.arpa", "SVCB")
        assert (reply.header.rcode, reply.header.a, reply.header.auth) == (0, 0, 1)
        assert server.metrics().get("filterd_certificate_left_seconds") is None


def serial(school: School) -> str:
    shown = run("openssl", "s_client", "-connect", f"127.0.0.1:{school.dot}", "-servername", NAME)
    return run("openssl", "x509", "-noout", "-serial", stdin=shown[shown.find("-----BEGIN") :])


def test_a_certificate_is_renewed_under_way_and_a_bad_one_changes_nothing(tmp_path: Path, upstream: Upstream) -> None:
    school = School(tmp_path, upstream)
    with school.server as server:
        first = serial(school)
        school.authority.write()
        server.wait_log("certificate for", count=2)
        until(lambda: serial(school) != first, "the new certificate")
        second = serial(school)
        good = school.authority.key.read_bytes()
        school.authority.key.write_text("-----BEGIN NOTHING-----\n")
        server.wait_log("are not a PEM certificate and its key")
        server.wait_log("the one before stays in force")
        server.wait_metric('filterd_input_fault{input="certificate"}', lambda value: value == 1)
        assert serial(school) == second
        school.authority.key.write_bytes(good)
        server.wait_log("encrypted DNS: all is well again")
        school.authority.write(days=(-9, -1))
        server.wait_log("the certificate expired on")
        assert serial(school) == second
        assert server.metrics()["filterd_certificate_left_seconds"] > 80 * 86400
        assert server.log.count("expired on") == 1


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_without_a_certificate_plain_dns_goes_on(tmp_path: Path, upstream: Upstream, missing: str) -> None:
    school = School(tmp_path, upstream, **{missing: tmp_path / "nowhere.pem"})
    with school.server as server:
        assert f"the {missing} {tmp_path}/nowhere.pem cannot be read" in server.log
        assert server.ask("www.example.org").header.rcode == 0
        assert server.metrics()['filterd_input_fault{input="certificate"}'] == 1
        path = tmp_path / "nowhere.pem"
        path.write_bytes(getattr(school.authority, missing).read_bytes())
        server.wait_log("certificate for")
        until(lambda: ADDRESS in kdig(school, "+tls", "www.example.org", port=school.dot), "DNS over TLS")


def test_a_port_that_somebody_has_stops_neither_plain_dns_nor_the_other(tmp_path: Path, upstream: Upstream) -> None:
    other = School(tmp_path / "other", upstream)
    with other.server:
        school = School(tmp_path / "school", upstream, doh=f'["127.0.0.1:{other.doh}"]')
        with school.server as server:
            assert f"cannot listen on 127.0.0.1:{other.doh} (https): Address already in use" in server.log
            assert server.ask("www.example.org").header.rcode == 0
            assert ADDRESS in kdig(school, "+tls", "www.example.org", port=school.dot)


def test_switched_off_and_on_while_it_serves(tmp_path: Path, upstream: Upstream) -> None:
    school = School(tmp_path, upstream)
    with school.server as server:
        (school.config / "policies/school.yaml").write_text(SCHOOL)
        server.wait_log("is in force")
        server.wait_log("are taken at a start only")
        until(lambda: "status: NOERROR" not in kdig(school, "+tls", "example.org", port=school.dot), "TLS is off")
        assert server.ask("www.example.org").header.rcode == 0
        (school.config / "policies/school.yaml").write_text(SCHOOL + school.yaml())
        until(lambda: "status: NOERROR" in kdig(school, "+tls", "example.org", port=school.dot), "TLS is on again")
