"""TLS towards upstreams: what is checked, what is remembered for the next connection, and what is said in the log.

Strict (RFC 8310 section 5): chain and name of the certificate are verified or nothing is sent; plain text is never the
way out.
"""

from __future__ import annotations

import logging
import ssl
import time
from time import monotonic
from typing import Final

log = logging.getLogger("filterd.dns")

QUIET_S: Final = 60.0  # between two lines about one server
SESSION_S: Final = 3600.0  # a resumed connection is not shown the certificate again; look at it at least so often
NOT_YET_VALID: Final = 9  # X509_V_ERR_CERT_NOT_YET_VALID


def context(ca: str | None, protocol: str) -> ssl.SSLContext:
    """For connections that speak `protocol` (an ALPN id); `ca`: a file of trusted roots, None for the system's. Raises
    OSError where the file is missing or holds no certificate.
    """
    made = ssl.create_default_context(cafile=ca)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.set_alpn_protocols([protocol])
    return made


class Tls:
    """One server's side of it. `name` is what its certificate must hold: a name, or an address."""

    def __init__(self, url: str, name: str, ca: str | None, protocol: str) -> None:
        self._url = url
        self._name = name
        self._protocol = protocol
        self._session: ssl.SSLSession | None = None
        self._seen = 0.0  # when the certificate was looked at
        self._quiet_until = 0.0
        self._context: ssl.SSLContext | None = None
        try:
            self._context = context(ca, protocol)
        except OSError as error:
            self.complain(f"its ca {ca} cannot be used: {error}")

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """The client's end of a new connection. Raises OSError where there is nothing to verify with."""
        if self._context is None:
            raise OSError("no ca to verify with")
        session = self._session if monotonic() - self._seen < SESSION_S else None
        return self._context.wrap_bio(incoming, outgoing, server_hostname=self._name, session=session)

    def agreed(self, tls: ssl.SSLObject) -> None:
        """Called after the handshake. Raises OSError where the other end speaks something else than was asked for."""
        if not tls.session_reused:
            self._seen = monotonic()
        # Servers of DNS over TLS need not know its ALPN id (RFC 7858 has none); HTTP/2 must be agreed on (RFC 9113).
        if self._protocol == "h2" and tls.selected_alpn_protocol() != "h2":
            raise OSError("it does not speak HTTP/2")

    def remember(self, tls: ssl.SSLObject) -> None:
        """Keep the session for the next connection. Its ticket comes with the first answer, not with the handshake."""
        self._session = tls.session

    def failed(self, error: Exception) -> None:
        """Say why a handshake failed; anything but a certificate may be a matter of the network and is not said."""
        if isinstance(error, ssl.SSLCertVerificationError):
            hint = ""
            if error.verify_code == NOT_YET_VALID:
                hint = time.strftime("; is this box's clock right? It says %Y-%m-%d %H:%M UTC", time.gmtime())
            self.complain(f"its certificate is refused: {error.verify_message}{hint}")
        elif not isinstance(error, (ConnectionError, TimeoutError)):
            self.complain(f"no connection: {error}")

    def complain(self, why: str) -> None:
        now = monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_S
            log.warning("upstream %s is not asked: %s", self._url, why)
