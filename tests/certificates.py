"""Certificates for tests: an authority of their own, and files as a school has them."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest

from filterd.core.policy import Encrypted

trustme = pytest.importorskip("trustme", reason="trustme makes the certificates")

NAME = "dns.school.example"


class Authority:
    """Signs what is asked for. `certificate`, `key` and `ca` are the files."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self.certificate, self.key, self.ca = (directory / f"{name}.pem" for name in ("cert", "key", "ca"))
        self._ca.cert_pem.write_to_path(self.ca)
        self.write()

    def write(self, *names: str, days: tuple[int, int] = (-1, 90)) -> None:
        """Put a new certificate and its key into the files; `days` from now on it is valid."""
        now = datetime.datetime.now(datetime.UTC)
        first, last = (now + datetime.timedelta(days=day) for day in days)
        made = self._ca.issue_cert(*(names or (NAME, "127.0.0.1")), not_before=first, not_after=last)
        self.certificate.write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
        self.key.write_bytes(made.private_key_pem.bytes())

    def encrypted(self, **changes: object) -> Encrypted:
        """The policy's value for these files."""
        return Encrypted(NAME, str(self.certificate), str(self.key), **changes)  # type: ignore[arg-type]

    def client(self, *protocols: str) -> ssl.SSLContext:
        """A client that trusts this authority and speaks these protocols."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context
