"""DNS over TLS and over HTTPS in a worker: connections for the listeners, with the certificate that is in force now."""

from __future__ import annotations

import logging
import ssl

from filterd.core.policy import Encrypted
from filterd.dns import certificate
from filterd.dns.certificate import Stamp
from filterd.dns.https import Codec, HttpConnection
from filterd.dns.streams import TLS, Streams
from filterd.dns.tcp import Connection
from filterd.dns.tls import TlsConnection

log = logging.getLogger("filterd.dns")


class EncryptedServer:
    """Makes connections. Without a certificate they end at once; plain DNS has no part in it."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._loaded: object = None
        self._path = b""
        self._dot: ssl.SSLContext | None = None
        self._doh: ssl.SSLContext | None = None

    def use(self, encrypted: Encrypted | None, stamp: Stamp | None) -> None:
        """Load what the policy names if that, or the stamp of its files, is new. A bad one changes nothing; nor do
        files written since the parent looked at them, as it will look again.
        """
        if (encrypted, stamp) == self._loaded:
            return
        self._loaded = (encrypted, stamp)
        if encrypted is None:
            self._dot = self._doh = None
            return
        self._path = encrypted.path.encode()
        if encrypted.doh:
            _codec(True), _codec(False)  # load them now, not while questions wait
        try:
            dot = certificate.context(encrypted, certificate.DOT_PROTOCOLS)
            doh = certificate.context(encrypted, certificate.DOH_PROTOCOLS)
        except ValueError as error:
            log.error("encrypted DNS: %s", error)
            return
        if self._dot is None or certificate.stamp(encrypted) == stamp:
            self._dot, self._doh = dot, doh

    def dot(self) -> TlsConnection:
        """A connection of DNS over TLS (RFC 7858)."""
        return TlsConnection(Connection(self._streams, TLS), self._dot)

    def doh(self) -> TlsConnection:
        """A connection of DNS over HTTPS (RFC 8484)."""
        return TlsConnection(HttpConnection(self._streams, self._path, _codec), self._doh)


def _codec(http2: bool) -> Codec:
    """h2 and h11 are loaded only where they are needed: 6 MB."""
    from filterd.dns.http1 import Http1
    from filterd.dns.http2 import Http2

    return Http2() if http2 else Http1()
