"""A small Internet with an answer for every question, the same for whoever asks, and resolvers to ask it through.

Names are `n<number>.world.example`; the number alone says what a name holds, so that this filter, unbound and dnsmasq
can be asked the same and their answers be compared.
"""

from __future__ import annotations

import getpass
import random
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rrset

from tests.conformance.lab import UDP_BYTES, reply_to
from tests.running import free_port, until
from tests.upstreams import Question

ZONE = "world.example"
TYPES = ("A", "AAAA", "TXT", "MX", "SRV", "HTTPS", "CAA", "NS", "TYPE65400")
SOA = f"{ZONE}. 300 IN SOA ns.{ZONE}. host.{ZONE}. 1 2 3 4 300"
CNAME_HOPS = 5
Answer = tuple[int, frozenset[tuple[str, str, str]]]  # RCODE; owner, type and data of the answer section


def name_of(number: int) -> str:
    return f"n{number}.{ZONE}"


def records(number: int, kind: str) -> list[str]:
    """What a name itself holds for a type, as lines."""
    name = f"{name_of(number)}."
    holds = number % 12
    count = 1 + number % 3
    data = {
        "A": [f"198.51.{number % 100}.{i + 1}" for i in range(90 if holds == 8 else count)],
        "AAAA": [f"2001:db8:{number % 1000}::{i + 1}" for i in range(count)],
        "TXT": [f'"{number} {"x" * (number % 200)}"'],
        "MX": [f"{i} mail{i}.{ZONE}." for i in range(count)],
        "SRV": [f"0 {i} 443 host{i}.{ZONE}." for i in range(count)],
        "HTTPS": ["1 . alpn=h2"],
        "CAA": ['0 issue "ca.example"'],
        "TYPE65400": [rf"\# 4 {number % 65536:08x}"],
    }.get(kind, [])
    if holds == 6 and kind != "TXT":
        data = []
    return [f"{name} 300 IN {kind} {each}" for each in data]


def script(asked: Question) -> list[bytes]:
    """The answer to a question: chains of aliases, no such name, no data, SERVFAIL, more than UDP takes, or records."""
    number = _number(asked.name)
    kind = asked.kind
    reply = reply_to(asked)
    lines: list[str] = []
    for _ in range(CNAME_HOPS):
        if number is None or number % 12 != 4:
            break
        lines.append(f"{name_of(number)}. 300 IN CNAME {name_of(number + 1 + 11 * (number % 2))}.")
        number += 1 + 11 * (number % 2)
    if number is None or number % 12 == 5:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif number % 12 == 7:
        reply.set_rcode(dns.rcode.SERVFAIL)
        lines = []
    else:
        lines += records(number, kind)
    for line in lines:
        _add(reply.answer, line)
    if reply.rcode() == dns.rcode.NXDOMAIN or not any(f" IN {kind} " in line for line in lines):
        _add(reply.authority, SOA)
    packet = reply.to_wire(max_size=65535)
    if asked.transport == "udp" and len(packet) > UDP_BYTES:
        return [reply_to(asked, "QR TC RD RA").to_wire()]
    return [packet]


def _add(section: list[dns.rrset.RRset], line: str) -> None:
    owner, ttl_s, _, kind, data = line.split(None, 4)
    record = dns.rrset.from_text(owner, int(ttl_s), "IN", kind, data)
    for rrset in section:
        if (rrset.name, rrset.rdtype) == (record.name, record.rdtype):
            rrset.update(record)
            return
    section.append(record)


def _number(name: str) -> int | None:
    label = name.partition(".")[0]
    return int(label[1:]) if name.endswith(ZONE) and label[1:].isdigit() and label[0] == "n" else None


def questions(count: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Names and types, each name new."""
    chance = random.Random(seed)
    for number in chance.sample(range(count * 4), count):
        yield name_of(number), chance.choice(TYPES)


@contextmanager
def unbound(directory: Path, upstream: int, more: str = "", modules: str = "iterator") -> Iterator[int]:
    """unbound that forwards everything to a port of this host; gives its own port."""
    port = free_port()
    path = directory / "unbound.conf"
    path.write_text(
        f"""\
server:
  interface: 127.0.0.1
  port: {port}
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  pidfile: ""
  directory: "{directory}"
  module-config: "{modules}"
  do-not-query-localhost: no
  qname-minimisation: no
  num-threads: 1
  edns-buffer-size: 1232
  max-udp-size: 4096
{more}
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{upstream}
""",
        encoding="utf-8",
    )
    with _process(["unbound", "-d", "-c", str(path)], port):
        yield port


@contextmanager
def dnsmasq(upstream: int) -> Iterator[int]:
    """dnsmasq that forwards everything to a port of this host; gives its own port."""
    port = free_port()
    options = ["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"]
    options += ["--listen-address=127.0.0.1", f"--port={port}", f"--server=127.0.0.1#{upstream}", "--pid-file="]
    options += [
        "--cache-size=2000",
        "--log-facility=/dev/null",
        f"--user={getpass.getuser()}",
        "--edns-packet-max=1232",
    ]
    with _process(["dnsmasq", *options], port):
        yield port


def available(program: str) -> bool:
    return shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin") is not None


@contextmanager
def _process(command: list[str], port: int) -> Iterator[None]:
    program = shutil.which(command[0], path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin")
    assert program is not None
    process = subprocess.Popen([program, *command[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _answers(port) or process.poll() is not None, f"{command[0]} answers")
        assert process.poll() is None, f"{command[0]} ended"
        yield
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    query = dns.message.make_query("version.bind", "TXT", "CH")
    try:
        dns.query.udp(query, "127.0.0.1", 0.3, port)
    except (OSError, dns.exception.DNSException):
        return False
    return True


def told(port: int, name: str, kind: str, source: str | None = None, within_s: float = 5.0) -> Answer:
    """What a resolver says, over TCP when UDP was not enough; the order of records is not looked at."""
    query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
    reply, _ = dns.query.udp_with_fallback(query, "127.0.0.1", within_s, port, source=source)
    found = {
        (rrset.name.to_text().lower(), dns.rdatatype.to_text(rrset.rdtype), rdata.to_text())
        for rrset in reply.answer
        for rdata in rrset
    }
    return reply.rcode(), frozenset(found)


def differences(
    mine: int, peers: Iterable[int], asked: Iterable[tuple[str, str]], source: str
) -> Iterator[tuple[str, str, Answer, Answer]]:
    """Questions that all peers answer alike and this filter otherwise: name, type, its answer, theirs."""
    ports = list(peers)
    for name, kind in asked:
        theirs = {told(port, name, kind) for port in ports}
        found = told(mine, name, kind, source)
        if len(theirs) == 1 and found not in theirs:
            yield name, kind, found, theirs.pop()


def paced(asked: Iterable[tuple[str, str]], report: int) -> Iterator[tuple[str, str]]:
    """The questions, with a line on the way after every so many."""
    started = time.monotonic()
    for number, each in enumerate(asked, start=1):
        yield each
        if number % report == 0:
            print(f"{number:,} questions, {number / (time.monotonic() - started):,.0f}/s", flush=True)
