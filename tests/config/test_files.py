import os

import pytest

from filterd.config import files
from tests import configs


def test_digest_follows_names_and_bytes_of_policies_only(tmp_path):
    configs.write(tmp_path)
    first = files.digest(tmp_path)
    (tmp_path / "policies" / ".names.yaml.swp.yaml").write_text("an editor's own")
    (tmp_path / "policies" / "README.md").write_text("words")
    configs.change(tmp_path, "blocklists/sources.yaml", "Adult, curated", "Adult")
    assert files.digest(tmp_path) == first
    configs.change(tmp_path, "policies/names.yaml", "tro-choi.example", "tro-choi.test")
    assert files.digest(tmp_path) != first


def test_renaming_a_file_changes_the_digest(tmp_path):
    assert files.digest_of({"a.yaml": b"x"}) != files.digest_of({"b.yaml": b"x"})
    assert files.digest_of({"a.yaml": b"xy", "b.yaml": b""}) != files.digest_of({"a.yaml": b"x", "b.yaml": b"y"})


def test_signature_changes_when_a_file_is_replaced(tmp_path):
    configs.write(tmp_path)
    first = files.signature(tmp_path)
    assert first == files.signature(tmp_path)
    path = tmp_path / "policies" / "names.yaml"
    stat = path.stat()
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    copy.replace(path)  # same bytes, size and time: still another file
    assert files.signature(tmp_path) != first


def test_no_folder_is_no_files(tmp_path):
    assert files.policy_paths(tmp_path) == []
    assert files.signature(tmp_path) == ()


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.yaml")
    with pytest.raises(ValueError, match="is not a regular file"):
        files.read(tmp_path / "x.yaml")


def test_a_huge_file_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"#" * (files.MAX_FILE_BYTES + 1))
    with pytest.raises(ValueError, match="is larger than 4 MiB"):
        files.read(path)


def test_reason_is_for_people(tmp_path):
    contents, failed = files.read_policies(tmp_path)
    assert (contents, failed) == ({}, {})
    assert files.reason(FileNotFoundError(2, "No such file")) == "is missing"
    assert files.reason(PermissionError(13, "Permission denied")) == "cannot be read: Permission denied"
