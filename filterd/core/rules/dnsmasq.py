"""dnsmasq settings: `local=/x/`, `address=/x/` and `server=/x/` without a server block x and everything below it.

`address=` with a real address and `server=` with a server send the name somewhere: no block. Other settings are
counted and left alone.
"""

from __future__ import annotations

from filterd.core.rules.hosts import is_nowhere
from filterd.core.rules.model import SUBTREE, Format, Found, Kind, Reader, without_comment


def read(line: bytes) -> Found:
    setting, mark, value = without_comment(line).removeprefix(b"--").partition(b"=")
    setting = setting.strip()
    if not setting.replace(b"-", b"").isalnum() or b"." in setting:
        return Kind.MALFORMED
    value = value.strip()
    if not mark or setting not in (b"local", b"server", b"address") or not value.startswith(b"/"):
        return Kind.DIRECTIVE if mark or b"-" in setting else Kind.MALFORMED
    *labels, target = value[1:].split(b"/")
    if not labels:
        return Kind.MALFORMED
    if target and not (setting == b"address" and (target == b"#" or is_nowhere(target))):
        return Kind.REWRITE
    return [(_name(label), SUBTREE) for label in labels]


def _name(text: bytes) -> bytes:
    return text.removeprefix(b"*").removeprefix(b".")


def _reader() -> Reader:
    return read


FORMAT = Format("dnsmasq", _reader, around=(b"local=/", b"/"))
