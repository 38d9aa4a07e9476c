"""`STATE/dns/first-seen`: when this school first asked for which domain. The dns parent is its only writer.

    header  magic and version, byte order, the hash's secret, the day its life began, CRC
    block   the last day known, count, `count` entries of 8 bytes (`core.firstseen`), CRC; any number of blocks

The parent appends a block every ten minutes at most and makes a new file only at a start, so a card is spared; workers
read the file when they start. A CRC covers the header or the block and where it stands: a block that a power cut left
half written ends the file and is written over. The secret makes the hashes useless without this file, and nothing but
them is kept of a name.
"""

from __future__ import annotations

import os
from binascii import crc32
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from filterd.core.firstseen import CAPACITY, SECRET_BYTES, Register
from filterd.store import atomic, files

MAGIC = b"fltdseen\x01\0\0\0"
MANY_BLOCKS = 500
_ORDER = 0x01020304
_HEADER = Struct(f"={len(MAGIC)}sI{SECRET_BYTES}sI")
_BLOCK = Struct("=II")
_CRC = Struct("=I")
_START = _HEADER.size + _CRC.size
MAX_BYTES = _START + CAPACITY * 8 * 2


@dataclass(slots=True)
class Stored:
    """What a file holds. The next block goes to `end`; `damaged`: what followed there was no whole block."""

    register: Register
    end: int
    blocks: int
    damaged: bool


def path(state_dir: Path) -> Path:
    return state_dir / "dns" / "first-seen"


def create(file: Path, register: Register) -> Stored:
    """Publish a new file with this register. Raises OSError; the old file then stays."""
    file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    header = _HEADER.pack(MAGIC, _ORDER, register.secret, register.started)
    block = _block(register.to_bytes(), register.last, _START)
    atomic.write(file, header + _CRC.pack(crc32(header)) + block)
    return Stored(register, _START + len(block), 1, False)


def load(file: Path) -> Stored:
    """What is in the file. Raises OSError (FileNotFoundError for none), ValueError if it is not one, or damaged from
    its beginning.
    """
    data = files.read(file, MAX_BYTES)
    register = _register(data)
    at, blocks = _START, 0
    while (end := _block_end(data, at)) is not None:
        last, _ = _BLOCK.unpack_from(data, at)
        register.last = max(register.last, last)
        register.add_bytes(memoryview(data)[at + _BLOCK.size : end - _CRC.size])
        at, blocks = end, blocks + 1
    return Stored(register, at, blocks, at != len(data))


def secret_of(file: Path) -> bytes:
    """Which register is in a file, without reading all of it. Raises as `load`."""
    return _register(files.read(file, MAX_BYTES, first=_START)).secret


def append(file: Path, stored: Stored, entries: bytes) -> None:
    """Add a block of entries and the register's last day. Raises OSError; the next try then takes the same place."""
    block = _block(entries, stored.register.last, stored.end)
    descriptor = os.open(file, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, stored.end)
        written = os.pwrite(descriptor, block, stored.end)
        if written != len(block):
            raise OSError(f"{file}: only {written} of {len(block)} bytes could be written")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    stored.end += len(block)
    stored.blocks += 1
    stored.damaged = False


def _block(entries: bytes, last: int, at: int) -> bytes:
    block = _BLOCK.pack(last, len(entries) // 8) + entries
    return block + _CRC.pack(crc32(block, at))


def _block_end(data: bytes, at: int) -> int | None:
    """Where the whole, undamaged block at `at` ends."""
    if at + _BLOCK.size > len(data):
        return None
    _, count = _BLOCK.unpack_from(data, at)
    end: int = at + _BLOCK.size + count * 8 + _CRC.size
    if end > len(data) or _CRC.unpack_from(data, end - _CRC.size)[0] != crc32(data[at : end - _CRC.size], at):
        return None
    return end


def _register(data: bytes) -> Register:
    if len(data) < _START or _CRC.unpack_from(data, _HEADER.size)[0] != crc32(data[: _HEADER.size]):
        raise ValueError("its beginning is damaged")
    magic, order, secret, started = _HEADER.unpack_from(data)
    if magic != MAGIC or order != _ORDER:
        raise ValueError("it is of another version or machine")
    return Register(secret, started)
