"""The certificate: good ones are loaded, bad ones are named and change nothing, renewed ones are noticed."""

from __future__ import annotations

import datetime
import logging
import os
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from filterd.dns import certificate
from filterd.dns.certificate import DOH_PROTOCOLS, DOT_PROTOCOLS, Watch
from tests.certificates import NAME, Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_a_good_one_says_what_it_is_for(authority: Authority) -> None:
    authority.write(NAME, "Other.school.example", days=(-2, 30))
    found = certificate.inspect(authority.encrypted())
    assert set(found.names) == {NAME, "other.school.example"}
    assert found.not_before == pytest.approx(time.time() - 2 * 86400, abs=60)
    assert found.not_after == pytest.approx(time.time() + 30 * 86400, abs=60)


def test_files_may_be_links_to_the_newest_as_acme_clients_make_them(authority: Authority) -> None:
    for path in (authority.certificate, authority.key):
        path.symlink_to(path.rename(path.with_suffix(".1")))
    assert certificate.inspect(authority.encrypted()).names == (NAME,)


@pytest.mark.parametrize("protocols", [DOT_PROTOCOLS, DOH_PROTOCOLS])
def test_nothing_older_than_tls_1_2_is_spoken(authority: Authority, protocols: tuple[str, ...]) -> None:
    context = certificate.context(authority.encrypted(), protocols)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert not context.options & ssl.OP_NO_TICKET
    assert context.options & ssl.OP_NO_RENEGOTIATION


def other_key(authority: Authority) -> None:
    kept = authority.certificate.read_bytes()
    authority.write()
    authority.certificate.write_bytes(kept)


def locked_key(authority: Authority) -> None:
    key = str(authority.key)
    command = ["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:secret", "-out", key + ".locked"]
    subprocess.run(command, check=True, capture_output=True)
    Path(key + ".locked").rename(key)


BAD: dict[str, tuple[Callable[[Authority], object], str]] = {
    "no-certificate": (lambda a: a.certificate.unlink(), r"the certificate .*cert\.pem cannot be read: No such file"),
    "no-key": (lambda a: a.key.unlink(), r"the key .*key\.pem cannot be read: No such file"),
    "a-directory": (lambda a: (a.key.unlink(), a.key.mkdir()), "the key .* is not a regular file"),
    "a-pipe": (lambda a: (a.key.unlink(), os.mkfifo(a.key)), "the key .* is not a regular file"),
    "endless": (lambda a: (a.key.unlink(), a.key.symlink_to("/dev/zero")), "the key .* is not a regular file"),
    "another-key": (other_key, r"the key .* is not the key of the certificate .*cert\.pem"),
    "empty": (lambda a: a.certificate.write_bytes(b""), "are not a PEM certificate and its key"),
    "cut": (lambda a: a.key.write_bytes(a.key.read_bytes()[:60]), "are not a PEM certificate and its key"),
    "swapped": (lambda a: a.certificate.write_bytes(a.key.read_bytes()), "are not a PEM certificate and its key"),
    "locked": (locked_key, "is locked with a password"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_one_is_named_and_the_one_before_stays(
    authority: Authority, bad: tuple[Callable[[Authority], object], str]
) -> None:
    spoil, words = bad
    watch = Watch()
    assert watch.poll(authority.encrypted(), at_once=True)
    good = watch.stamp
    assert good == certificate.stamp(authority.encrypted())
    spoil(authority)
    with pytest.raises(ValueError, match=words):
        certificate.context(authority.encrypted(), DOT_PROTOCOLS)
    assert not watch.poll(authority.encrypted(), at_once=True)
    assert "the one before stays in force" in watch.problem
    assert (watch.stamp, watch.failures) == (good, 1)
    assert watch.current is not None


def test_with_none_at_the_start_it_is_said_once_and_found_later(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    authority.key.rename(authority.key.with_suffix(".away"))
    watch = Watch()
    for _ in range(5):
        assert not watch.poll(authority.encrypted(), at_once=True)
    assert caplog.text.count("there is no encrypted DNS") == 1
    authority.key.with_suffix(".away").rename(authority.key)
    assert watch.poll(authority.encrypted(), at_once=True)
    assert watch.problem == ""
    assert "all is well again" in caplog.text


def test_a_renewed_one_is_taken_when_the_files_have_settled(authority: Authority) -> None:
    watch = Watch()
    watch.poll(authority.encrypted(), at_once=True)
    authority.write(days=(-1, 200))
    assert not watch.poll(authority.encrypted())
    assert watch.poll(authority.encrypted())
    assert watch.stamp == certificate.stamp(authority.encrypted())
    assert not watch.poll(authority.encrypted())


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        ((NAME,), (-9, -1), "the certificate expired on "),
        ((NAME,), (1, 9), "the certificate is not valid before "),
        (("www.school.example",), (-1, 9), f"the certificate is not for {NAME} but for www.school.example"),
        (("*.x.school.example",), (-1, 9), "is not for"),
    ],
    ids=["expired", "future", "other-name", "other-wildcard"],
)
def test_what_clients_will_refuse_replaces_nothing_good_but_is_better_than_nothing(
    authority: Authority, names: tuple[str, ...], days: tuple[int, int], words: str
) -> None:
    watch = Watch()
    watch.poll(authority.encrypted(), at_once=True)
    authority.write(*names, days=days)
    assert not watch.poll(authority.encrypted(), at_once=True)
    assert words in watch.problem
    assert "the one before stays in force" in watch.problem
    fresh = Watch()
    assert fresh.poll(authority.encrypted(), at_once=True)
    assert words in fresh.problem
    assert "the one before" not in fresh.problem


def test_a_wildcard_covers_one_label(authority: Authority) -> None:
    authority.write("*.school.example")
    watch = Watch()
    assert watch.poll(authority.encrypted(), at_once=True)
    assert watch.problem == ""
    watch.poll(replace(authority.encrypted(), name="a.dns.school.example"), at_once=True)
    assert "is not for a.dns.school.example" in watch.problem


def test_time_passes_and_it_expires_under_our_eyes(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    watch.poll(authority.encrypted(), at_once=True)
    late = time.time() + datetime.timedelta(days=91).total_seconds()
    monkeypatch.setattr(time, "time", lambda: late)
    assert not watch.poll(authority.encrypted())
    assert "the certificate expired on" in watch.problem


def test_without_encrypted_dns_nothing_is_wrong(authority: Authority) -> None:
    watch = Watch()
    authority.key.unlink()
    watch.poll(authority.encrypted(), at_once=True)
    assert watch.problem
    assert not watch.poll(None)
    assert watch.problem == ""


def test_a_credential_of_systemd_takes_the_place_of_the_file_with_its_name(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    authority.key.rename(credentials / "key.pem")
    with pytest.raises(ValueError, match="cannot be read"):
        certificate.inspect(authority.encrypted())
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert certificate.inspect(authority.encrypted()).names


def test_what_is_wrong_is_told_before_a_start(authority: Authority) -> None:
    assert certificate.problem(authority.encrypted()) == ""
    authority.write(days=(-9, -2))
    assert certificate.problem(authority.encrypted()).startswith("the certificate expired on ")
    authority.key.write_text("no key")
    assert "are not a PEM certificate and its key" in certificate.problem(authority.encrypted())
