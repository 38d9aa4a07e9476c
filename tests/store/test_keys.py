"""Keys: what is trusted, what is refused and why; openssl reads and checks what is made here, and the reverse."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from filterd.errors import TrustError
from filterd.store import keys

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def openssl(*words: str | Path) -> str:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def config(tmp_path: Path) -> Path:
    made = tmp_path / "config"
    made.mkdir()
    return made


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A folder with district.key and district.pub."""
    folder = tmp_path / "safe"
    folder.mkdir()
    keys.create(folder, "district")
    return folder


def test_what_one_key_signs_it_alone_verifies(pair: Path) -> None:
    other = keys.create(pair, "other")
    private, public = keys.load_private(pair / "district.key"), keys.load_public(pair / "district.pub")
    signature = keys.sign(private, b"all of it")
    assert len(signature) == 64
    assert keys.verify(public, b"all of it", signature)
    assert not keys.verify(public, b"all of it.", signature)
    assert not keys.verify(other, b"all of it", signature)
    assert keys.signer([other, public], b"all of it", signature) == public
    assert keys.signer([other], b"all of it", signature) is None


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"x" * 63, b"x" * 4096], ids=len)
def test_what_is_no_signature_verifies_nothing(pair: Path, signature: bytes) -> None:
    assert not keys.verify(keys.load_public(pair / "district.pub"), b"", signature)


def test_a_pair_is_for_its_owner_alone_and_the_public_half_for_all(pair: Path) -> None:
    assert stat.S_IMODE((pair / "district.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((pair / "district.pub").stat().st_mode) == 0o644
    private = keys.load_private(pair / "district.key")
    assert keys.public_of(private, "district") == keys.load_public(pair / "district.pub")


def test_an_id_is_the_beginning_of_the_fingerprint(pair: Path) -> None:
    key = keys.load_public(pair / "district.pub")
    assert len(key.fingerprint) == 64
    assert key.id == key.fingerprint[:16]


@pytest.mark.parametrize("there", ["district.key", "district.pub"])
def test_no_key_is_ever_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("precious")
    with pytest.raises(TrustError, match=f"{there} is there already; no key is overwritten"):
        keys.create(tmp_path, "district")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_a_new_key_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "district.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TrustError, match="is there already"):
        keys.create(tmp_path, "district")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["", "../up", "A", "a b", ".a", "a.pub", "x" * 41, "a/b"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(TrustError, match="is no name for a key"):
        keys.create(tmp_path, name)


@needs_openssl
def test_openssl_verifies_what_is_signed_here(pair: Path, tmp_path: Path) -> None:
    data, signature = tmp_path / "data", tmp_path / "data.sig"
    data.write_bytes(b"any bytes\0")
    signature.write_bytes(keys.sign(keys.load_private(pair / "district.key"), data.read_bytes()))
    verify = ("pkeyutl", "-verify", "-pubin", "-inkey", pair / "district.pub", "-rawin", "-in", data)
    assert "Verified Successfully" in openssl(*verify, "-sigfile", signature)


@needs_openssl
def test_what_openssl_makes_and_signs_is_understood_here(config: Path, tmp_path: Path) -> None:
    data, signature = tmp_path / "data", tmp_path / "data.sig"
    data.write_bytes(b"any bytes\0")
    openssl("genpkey", "-algorithm", "ed25519", "-out", tmp_path / "a.key")
    openssl("pkey", "-in", tmp_path / "a.key", "-pubout", "-out", tmp_path / "a.pub")
    openssl("pkeyutl", "-sign", "-inkey", tmp_path / "a.key", "-rawin", "-in", data, "-out", signature)
    key = keys.load_public(tmp_path / "a.pub")
    assert keys.verify(key, data.read_bytes(), signature.read_bytes())
    (tmp_path / "a.key").chmod(0o600)
    assert keys.public_of(keys.load_private(tmp_path / "a.key"), "a") == key
    keys.trust(config, key)
    assert keys.trusted(config) == (key,)


# -- private keys -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o777], ids=oct)
def test_a_private_key_that_others_reach_is_refused(pair: Path, mode: int) -> None:
    (pair / "district.key").chmod(mode)
    with pytest.raises(TrustError, match=f"district.key has mode 0{mode:03o}: others may read or change it"):
        keys.load_private(pair / "district.key")


def test_a_credential_of_systemd_may_show_a_group(pair: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pair / "district.key").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(pair))
    assert keys.load_private(pair / "district.key")


@needs_root
def test_a_private_key_of_somebody_else_is_refused(pair: Path) -> None:
    os.chown(pair / "district.key", 12345, 12345)
    with pytest.raises(TrustError, match="belongs to user 12345, not to root or to you"):
        keys.load_private(pair / "district.key")


@needs_openssl
@pytest.mark.parametrize(
    ("making", "said"),
    [
        pytest.param(("genpkey", "-algorithm", "ed448"), "is not an Ed25519 key", id="another curve"),
        pytest.param(("genpkey", "-algorithm", "x25519"), "is not an Ed25519 key", id="a key for something else"),
        pytest.param(
            ("genpkey", "-algorithm", "ed25519", "-aes-128-cbc", "-pass", "pass:secret"), "locked with a password",
            id="locked",
        ),
    ],
)  # fmt: skip
def test_a_private_key_that_cannot_sign_says_why(tmp_path: Path, making: tuple[str, ...], said: str) -> None:
    openssl(*making, "-out", tmp_path / "a.key")
    (tmp_path / "a.key").chmod(0o600)
    with pytest.raises(TrustError, match=said):
        keys.load_private(tmp_path / "a.key")


def test_the_public_half_signs_nothing(pair: Path) -> None:
    (pair / "district.pub").chmod(0o600)
    with pytest.raises(TrustError, match="holds no private key in PEM"):
        keys.load_private(pair / "district.pub")


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_private_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(TrustError, match=r"a\.key (holds no private key|is damaged)"):
        keys.load_private(path)


@pytest.mark.parametrize("load", [keys.load_private, keys.load_public])
def test_what_is_no_file_is_refused(tmp_path: Path, load) -> None:  # type: ignore[no-untyped-def]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TrustError, match="pipe is not a regular file"):
        load(tmp_path / "pipe")
    with pytest.raises(TrustError, match="cannot be read: No such file"):
        load(tmp_path / "nothing")


# -- trust ------------------------------------------------------------------------------------------------------------


def test_nobody_is_trusted_at_first(config: Path) -> None:
    assert keys.trusted(config) == ()
    assert keys.refused(config) == {}


def test_trust_is_a_file_and_ends_with_it(config: Path, pair: Path) -> None:
    key = keys.load_public(pair / "district.pub")
    assert keys.trust(config, key)
    assert not keys.trust(config, key)
    assert keys.trusted(config) == (key,)
    path = config / "keys/district.pub"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o022 == 0
    path.unlink()
    assert keys.trusted(config) == ()


def test_another_key_never_takes_a_name_and_no_key_has_two(config: Path, pair: Path) -> None:
    key, other = keys.load_public(pair / "district.pub"), keys.create(pair, "other")
    keys.trust(config, key)
    with pytest.raises(TrustError, match=r"district.pub holds another key; remove it first"):
        keys.trust(config, keys.TrustedKey("district", other.raw))
    with pytest.raises(TrustError, match="this key is trusted already, as district"):
        keys.trust(config, keys.TrustedKey("second", key.raw))
    assert keys.trusted(config) == (key,)


def test_a_directory_that_is_no_configuration_gets_no_key(tmp_path: Path, pair: Path) -> None:
    with pytest.raises(TrustError, match="is no configuration directory"):
        keys.trust(tmp_path / "typo", keys.load_public(pair / "district.pub"))


def give_away(path: Path) -> None:
    os.chown(path, 12345, -1)


def link(path: Path) -> None:
    path.rename(path.with_suffix(".else"))
    path.symlink_to(path.with_suffix(".else"))


def replace_by(name: str):  # type: ignore[no-untyped-def]
    def change(path: Path) -> None:
        path.write_bytes((path.parents[2] / "safe" / name).read_bytes())

    return change


CHANGES = [
    pytest.param(lambda path: path.chmod(0o664), "mode 0664: others may change it", id="the group may write"),
    pytest.param(lambda path: path.chmod(0o646), "mode 0646: others may change it", id="all may write"),
    pytest.param(lambda path: path.parent.chmod(0o777), "keys has mode 0777", id="all may write the folder"),
    pytest.param(give_away, "belongs to user 12345, not to root or to you", id="somebody else's", marks=needs_root),
    pytest.param(
        lambda path: give_away(path.parent), "keys belongs to user 12345", id="somebody else's folder", marks=needs_root
    ),
    pytest.param(link, "a symbolic link is not followed here", id="a link"),
    pytest.param(replace_by("district.key"), "is a PRIVATE key, which only its owner may have", id="the private half"),
    pytest.param(lambda path: path.write_bytes(b""), "holds no public key in PEM", id="empty"),
    pytest.param(lambda path: path.write_bytes(b"x" * (2 << 20)), "larger than 1 MiB", id="huge"),
    pytest.param(lambda path: (path.unlink(), os.mkfifo(path)), "is not a regular file", id="a pipe"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_a_trusted_file_that_must_not_be_used_is_left_out_and_said(config: Path, pair: Path, change, said: str) -> None:  # type: ignore[no-untyped-def]
    keys.trust(config, keys.load_public(pair / "district.pub"))
    change(config / "keys/district.pub")
    assert keys.trusted(config) == ()
    assert said in keys.refused(config)["district.pub"]


def test_one_bad_file_does_not_stop_the_others(config: Path, pair: Path) -> None:
    good = keys.create(pair, "good")
    keys.trust(config, good)
    (config / "keys/bad.pub").write_text("no key")
    (config / "keys/BAD NAME.pub").write_bytes(good.pem)
    (config / "keys/.hidden.pub").write_text("an editor's")
    (config / "keys/notes.txt").write_text("who is who")
    assert keys.trusted(config) == (good,)
    assert sorted(keys.refused(config)) == ["BAD NAME.pub", "bad.pub"]


def test_a_folder_full_of_keys_is_not_read_for_ever(config: Path, pair: Path) -> None:
    (config / "keys").mkdir()
    for n in range(keys.MAX_KEYS + 1):
        (config / f"keys/k{n:03}.pub").write_bytes((pair / "district.pub").read_bytes())
    assert len(keys.trusted(config)) == keys.MAX_KEYS
    assert "more than 100 keys" in keys.refused(config)["k100.pub"]
