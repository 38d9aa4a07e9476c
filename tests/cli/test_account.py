"""`filterd account`: what people type and see, and that secrets are shown once and kept nowhere."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from filterd.cli.main import main
from filterd.core.attempts import Attempts
from filterd.errors import Refused
from filterd.store import accounts, audit
from tests import configs

PASSWORD = re.compile(r"^(\S+)  ((?:[a-z2-9]{4}-){3}[a-z2-9]{4})$", re.MULTILINE)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    configs.write(tmp_path / "config")
    return tmp_path / "config"


def state(config: Path) -> Path:
    return config.parent / "state"


def run(config: Path, *words: str | Path, code: int = 0) -> Result:
    (config.parent / "state").mkdir(exist_ok=True)
    arguments = ["account", *map(str, words), "-c", str(config), "--state-dir", str(state(config))]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def add(config: Path, ident: str = "an", *more: str) -> str:
    """Gives the one-time password."""
    found = PASSWORD.search(run(config, "add", ident, "--name", "Nguyễn Thị An", *more).stdout)
    assert found is not None
    assert found[1] == ident
    return found[2]


def comes_in(config: Path, password: str, ident: str = "an") -> bool:
    try:
        accounts.log_in(state(config), ident, password, "10.0.0.1", Attempts(), int(time.time()), 0.0)
    except Refused:
        return False
    return True


def entries(config: Path) -> list[dict[str, object]]:
    return [dict(line.entry) for line in audit.read(audit.folder(state(config)))]


def everything_written(config: Path) -> str:
    return "\n".join(file.read_text("utf-8") for file in state(config).rglob("*") if file.is_file())


def test_an_account_comes_in_with_the_password_that_was_printed_once(config: Path) -> None:
    password = add(config, "an", "--class", "7-3", "--profile", "exam")
    assert comes_in(config, password)
    assert password not in everything_written(config)
    assert password not in run(config, "list").output
    assert add(config, "binh") != password


def test_the_list_says_who_what_and_until_when(config: Path) -> None:
    assert "no accounts" in run(config, "list").output
    add(config, "an", "--class", "7/3", "--profile", "exam")
    add(config, "hieu", "--role", "head")
    run(config, "revoke", "hieu")
    first, second = run(config, "list").output.splitlines()
    assert re.match(r"an +teacher +Nguyễn Thị An  classes: 7-3  profiles: exam  one-time password until 20", first)
    assert re.match(r"hieu +head +Nguyễn Thị An  REVOKED 20", second)


def test_every_change_names_who_made_it(config: Path) -> None:
    add(config, "an", "--class", "7-3")
    run(config, "reset", "an")
    run(config, "token", "an", "--label", "laptop")
    run(config, "grant", "an", "3a")
    run(config, "profiles", "teacher", "exam")
    run(config, "revoke", "an")
    found = entries(config)
    assert [entry["what"] for entry in found] == ["add", "reset", "token", "grant", "profiles", "revoke"]
    assert all(entry["kind"] == "account" and entry["by"] and entry["from"] == "box" for entry in found)
    assert found[0] | {"by": ""} == {
        "kind": "account", "what": "add", "account": "an", "role": "teacher", "classes": ["7-3"], "by": "",
        "from": "box",
    }  # fmt: skip


def test_a_reset_ends_the_old_password(config: Path) -> None:
    old = add(config)
    found = PASSWORD.search(run(config, "reset", "an").stdout)
    assert found is not None
    assert comes_in(config, found[2])
    assert not comes_in(config, old)


def test_whoever_is_revoked_comes_in_no_more_and_can_be_added_again(config: Path) -> None:
    password = add(config)
    assert "account an is revoked" in run(config, "revoke", "an").output
    assert not comes_in(config, password)
    assert "refused (revoked)" in run(config, "reset", "an", code=1).stderr
    assert comes_in(config, add(config))


def test_an_account_is_revoked_while_the_configuration_is_broken(config: Path) -> None:
    add(config)
    (config / "policies/classes.yaml").write_text("classrooms: 7\n")
    run(config, "revoke", "an")
    assert "REVOKED" in run(config, "list").output


def test_a_token_is_shown_once_and_ends_alone(config: Path) -> None:
    add(config)
    result = run(config, "token", "an", "--for", "2d")
    text = result.stdout.strip()
    assert re.fullmatch(r"filterd-[A-Za-z0-9_-]{43}", text)
    assert text.removeprefix("filterd-") not in everything_written(config)
    ident = re.search(r"token ([0-9a-f]{8}) of an", result.stderr)
    assert ident is not None
    assert f"token {ident[1]}  until " in run(config, "list").output
    now = time.time()
    assert accounts.load(state(config)).by_token(text, now) is not None
    assert accounts.load(state(config)).by_token(text, now + 2 * 86400 + 1) is None
    run(config, "revoke", "--token", ident[1])
    assert accounts.load(state(config)).by_token(text, now) is None
    assert entries(config)[-1]["account"] == "an"


def test_a_substitute_is_granted_for_one_day_of_the_school(config: Path) -> None:
    add(config)
    output = run(config, "grant", "an", "3A", "--on", "2098-03-02").output
    assert "stands in for 3a until" in output
    (grant,) = accounts.load(state(config)).items[0].grants
    assert (grant.classroom, grant.since, grant.until) == ("3a", 4_044_531_600, 4_044_618_000)  # midnights at UTC+7
    assert "stands in for 3a" in run(config, "list").output
    assert "that day is over" in run(config, "grant", "an", "3a", "--on", "2026-01-05", code=1).stderr


def test_profiles_of_a_role(config: Path) -> None:
    add(config)
    run(config, "profiles", "teacher", "exam", "learning")
    assert "profiles of the role teacher: exam, learning" in run(config, "list").output
    assert accounts.load(state(config)).account("an").profiles == ("exam", "learning")  # type: ignore[union-attr]
    run(config, "profiles", "teacher", "--all")
    assert "profiles of" not in run(config, "list").output


STAFF = "id,name,role,classes\nan,Nguyễn Thị An,teacher,7/3\nbinh,Trần Văn Bình,teacher,3a 7-3\nhieu,Lê Hiếu,head,\n"


def test_a_file_of_staff_is_taken_whole_and_twice_changes_nothing(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "staff.csv"
    file.write_text(STAFF)
    result = run(config, "import", file)
    made = dict(PASSWORD.findall(result.stdout))
    assert set(made) == {"an", "binh", "hieu"}
    assert result.stderr.endswith("3 added, 0 changed, 0 as before\n")
    assert all(comes_in(config, password, ident) for ident, password in made.items())
    count = len(entries(config))
    again = run(config, "import", file)
    assert (again.stdout, again.stderr) == ("", "0 added, 0 changed, 3 as before\n")
    assert len(entries(config)) == count
    file.write_text(STAFF.replace("3a 7-3", "3a").replace("hieu,", "huong,"))
    result = run(config, "import", file)
    assert result.stderr.endswith("1 added, 1 changed, 1 as before\n")
    assert comes_in(config, made["binh"], "binh")
    assert accounts.load(state(config)).account("binh").classes == ("3a",)  # type: ignore[union-attr]
    assert accounts.load(state(config)).account("hieu") is not None  # who is not in the file stays


def test_a_file_with_mistakes_adds_nobody_and_names_every_line(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "staff.csv"
    file.write_text(STAFF + "chi,Chi,teacher,7-4\nAn,An,tcher,\n")
    result = run(config, "import", file, code=2)
    assert "staff.csv:5 classes: '7-4' is not known; did you mean '7-3'?" in result.stderr
    assert "staff.csv:6 id: 'An' is not an id" in result.stderr
    assert "staff.csv:6 role: 'tcher' is not a role; did you mean 'teacher'?" in result.stderr
    assert accounts.load(state(config)).items == ()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(("add", "an", "--name", "An"), 1, "refused (exists)", id="an account twice"),
        pytest.param(("add", "An!", "--name", "An"), 2, "'An!' is not an id", id="no id"),
        pytest.param(("add", "b", "--name", "a\nb"), 2, "is not a name", id="a name of two lines"),
        pytest.param(("add", "b", "--name", "B", "--class", "7-4"), 2, "did you mean '7-3'?", id="no such class"),
        pytest.param(("add", "b", "--name", "B", "--profile", "exm"), 2, "did you mean 'exam'?", id="no such profile"),
        pytest.param(("add", "b", "--name", "B", "--role", "god"), 2, "is not one of", id="no such role"),
        pytest.param(("reset", "ann"), 1, "did you mean 'an'?", id="nobody"),
        pytest.param(("revoke", "--token", "x"), 1, "there is no token 'x'", id="no such token"),
        pytest.param(("token", "an", "--for", "10y"), 2, "is not a duration", id="no duration"),
        pytest.param(("token", "an", "--for", "900d"), 2, "1h to 366d is", id="too long"),
        pytest.param(("token", "an", "--label", "a\x1b[2J"), 2, "one line of at most 40", id="a label for terminals"),
        pytest.param(("grant", "an", "7-4"), 2, "did you mean '7-3'?", id="a class that is not there"),
        pytest.param(("grant", "an", "7-3", "--on", "2026-02-30"), 2, "not in the calendar", id="no day"),
        pytest.param(("profiles", "teacher"), 2, "say which profiles, or --all", id="no profiles"),
    ],
)
def test_a_mistake_is_said_and_changes_nothing(config: Path, words: tuple[str, ...], code: int, said: str) -> None:
    add(config)
    before = accounts.load(state(config))
    assert said in run(config, *words, code=code).stderr
    assert accounts.load(state(config)) == before
    assert len(entries(config)) == 1


def test_what_ends_is_not_given_by_a_box_that_does_not_know_the_time(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(config)
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    for words in (("add", "b", "--name", "B"), ("reset", "an"), ("token", "an"), ("grant", "an", "7-3")):
        assert "does not know the time" in run(config, *words, code=1).stderr
    run(config, "revoke", "an")


def test_damaged_accounts_are_said_and_left_alone(config: Path) -> None:
    add(config)
    file = accounts.path(state(config))
    file.write_text(json.dumps({"format": 1, "items": 7}))
    for words in (("list",), ("reset", "an"), ("revoke", "an"), ("token", "an")):
        assert "accounts.json: not a set of accounts" in run(config, *words, code=2).stderr
    assert json.loads(file.read_text()) == {"format": 1, "items": 7}
