"""What a DNS over HTTPS request asks (RFC 8484), and how long its reply may be kept. HTTP itself is the shell's."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from filterd.core import wire
from filterd.core.wirenames import skip_name
from filterd.errors import WireError

MEDIA_TYPE: Final = b"application/dns-message"
MAX_QUERY_BYTES: Final = 4096

BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404
METHOD_NOT_ALLOWED: Final = 405
CONTENT_TOO_LARGE: Final = 413
UNSUPPORTED_MEDIA_TYPE: Final = 415

_BASE64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def read_request(path: bytes, method: bytes, target: bytes, content_type: bytes, body: bytes) -> bytes | int:
    """The DNS message of a request whose target is `path` and perhaps a query string; else the HTTP status that says
    what is wrong (RFC 8484 section 4.1).
    """
    asked, _, parameters = target.partition(b"?")
    if asked != path:
        return NOT_FOUND
    if method == b"GET":
        found = _parameter(parameters)
    elif method == b"POST":
        if content_type.partition(b";")[0].strip().lower() != MEDIA_TYPE:
            return UNSUPPORTED_MEDIA_TYPE
        found = body
    else:
        return METHOD_NOT_ALLOWED
    if found is None or len(found) < wire.HEADER_BYTES or found[2] & 0x80:  # a response is no question
        return BAD_REQUEST
    return found if len(found) <= MAX_QUERY_BYTES else CONTENT_TOO_LARGE


def _parameter(parameters: bytes) -> bytes | None:
    """The message in `dns=`, base64url without padding (RFC 4648 section 5); padding is forgiven."""
    for part in parameters.split(b"&"):
        if part.startswith(b"dns="):
            text = part[4:].rstrip(b"=")
            if text.translate(None, _BASE64URL):
                return None
            try:
                return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
            except binascii.Error:
                return None
    return None


def max_age_s(reply: bytes) -> int:
    """How long an HTTP cache may keep one of our replies (RFC 8484 section 5.1): the least TTL of its answers, for a
    negative one what its SOA says; 0 for errors.
    """
    header = wire.read_header(reply)
    if header[2] != 1 or header[1] & wire.RCODE_MASK not in (wire.NOERROR, wire.NXDOMAIN):
        return 0
    try:
        return wire.read_answer(reply, skip_name(reply, wire.HEADER_BYTES) + 4, header).ttl_s
    except WireError:
        return 0
