"""Questions on their way to upstreams: over UDP, TCP, DNS over TLS and DNS over HTTPS. `Upstreams` is all of it."""

from filterd.dns.upstream.carriers import Upstreams

__all__ = ["Upstreams"]
