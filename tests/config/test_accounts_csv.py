"""Accounts from a CSV file: every column in both languages, every bad line at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.config import accounts_csv, timetable_csv
from filterd.config.accounts_csv import Row, parse
from filterd.core.commands import Role
from filterd.errors import ConfigError

CLASSES = {"7-1": "7/1", "7-2": "7/2", "lab": "Phòng máy", "lab-2": "Phòng máy"}
PROFILES = {"learning": "Giờ học", "exam": "Kiểm tra"}
AN = Row("an", "Nguyễn Thị An", Role.TEACHER, ("7-1", "7-2"), ())


def rows(text: str | bytes) -> tuple[Row, ...]:
    return parse(text if isinstance(text, bytes) else text.encode(), "staff.csv", CLASSES, PROFILES)


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        rows(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        "id,name,role,classes\nan,Nguyễn Thị An,teacher,7-1 7-2\n",
        "\ufeffid;name;role;classes\r\nan;Nguyễn Thị An;teacher;7/1,7/2\r\n",
        "mã\thọ tên\tvai trò\tlớp\nan\tNguyễn Thị An\tgiáo viên\t7/1 | 7-2",
        'Vai trò,Lớp,Mã,Họ và tên\nGiáo viên,"7-1, 7-2, 7-1",an,"Nguyễn Thị An"\n',
        "id,name,role,classes,profiles,\n\nan, Nguyễn Thị An ,TEACHER,7-1 7-2\n,,,\n",
    ],
    ids=["plain", "Excel in Vietnam", "tabs and Vietnamese", "any order and quotes", "empty lines and cells"],
)
def test_a_file_as_offices_save_it(text: str) -> None:
    assert rows(text) == (AN,)


@pytest.mark.parametrize(("word", "role"), list(accounts_csv.ROLES.items()))
def test_every_role_in_both_languages(word: str, role: Role) -> None:
    assert rows(f"id,name,role\na,A,{word.upper()}\n") == (Row("a", "A", role, (), ()),)


@pytest.mark.parametrize(
    ("name", "ident"),
    [("Nguyễn Thị Hà", "nguyen-thi-ha"), ("Đỗ  Văn Đức", "do-van-duc"), ("Y'Bhiu Niê", "y-bhiu-nie")],
)
def test_without_an_id_it_is_that_of_the_timetable(name: str, ident: str) -> None:
    assert rows(f"họ tên,vai trò\n{name},giáo viên\n") == (Row(ident, name, Role.TEACHER, (), ()),)
    assert timetable_csv._account(name) == ident


def test_two_people_of_one_name_need_ids() -> None:
    text = "id,name,role\n,Lê An,teacher\n,Lê Ân,teacher\nle-an-toan,Lê An,teacher\n"
    assert problems(text) == ["staff.csv:3 id: 'le-an' is in line 2 already"]


@pytest.mark.parametrize(
    "heading", ["họ tên,vai trò,lớp", "HO TEN,VAI TRO,LOP", "ho\u0323 te\u0302n,vai tro\u0300,lớp"]
)
def test_accents_and_capitals_of_a_heading_do_not_matter(heading: str) -> None:
    assert rows(f"{heading}\nAn,GIAO VIEN,7/1\n") == (Row("an", "An", Role.TEACHER, ("7-1",), ()),)


def test_every_bad_line_is_named_at_once() -> None:
    text = (
        "id,name,role,classes,profiles\n"
        "An Nguyen,An,teacher,7-1,\n"
        "binh,,techer,7-1 7-9,exm\n"
        "chi,Chi,teacher,7-1,\n"
        "chi,Chi,teacher,phòng-máy,\n"
        "dung,Dũng,head,7-1,\n"
    )
    assert problems(text) == [
        "staff.csv:2 id: 'An Nguyen' is not an id: a-z, 0-9 and '-' only, at most 40 characters; 'an-nguyen' would do",
        "staff.csv:3 name: '' is not a name of 1 to 100 characters on one line",
        "staff.csv:3 role: 'techer' is not a role; did you mean 'teacher'?",
        "staff.csv:3 classes: '7-9' is not known; did you mean '7-2'?",
        "staff.csv:3 profiles: 'exm' is not known; did you mean 'exam'?",
        "staff.csv:5 classes: 'phòng-máy' is not known; there is 7-1, 7-2, lab, lab-2",
        "staff.csv:6 classes: only a teacher has classes, and this is head",
    ]


def test_an_id_twice_is_named_with_both_lines() -> None:
    assert problems("id,name,role\na,A,head\nb,B,head\na,C,head\n") == ["staff.csv:4 id: 'a' is in line 2 already"]


def test_a_name_that_two_places_share_is_no_choice_to_make() -> None:
    with pytest.raises(ConfigError, match=r"CLASS: 'Phòng máy' may be lab or lab-2"):
        accounts_csv.known_id("Phòng máy", CLASSES, "CLASS")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "staff.csv: holds no account"),
        ("id,name,role\n", "staff.csv: holds no account"),
        ("id,name\na,A\n", "staff.csv: has no column role; its first line names the columns"),
        ("id,name,rol\na,A,head\n", "staff.csv: 'rol' is no column; did you mean 'role'?"),
        ("id,id,name,role\n", "staff.csv: the column id is there twice"),
        ("id,name,role\na,A,head,7-1\n", "staff.csv: line 2 has 4 cells, the heading 3"),
        ('id,name,role\na,"A,head\n', "staff.csv: line 2: unexpected end of data"),
        ("id,name,role\na,A\0,head\n", "staff.csv:2 name: 'A\\x00' is not a name of 1 to 100 characters on one line"),
        (b"id,name,role\na,Nguy\xea\xf2n,head\n", 'staff.csv: is not in UTF-8; save it as "CSV UTF-8"'),
        ("id,name,role\n".encode("utf-16"), 'staff.csv: is not in UTF-8; save it as "CSV UTF-8"'),
        (b"x" * (accounts_csv.MAX_BYTES + 1), "staff.csv: is larger than 1 MiB"),
        ("id,name,role\n" + "a,A,head\n" * 5000, "staff.csv: has more than 2000 accounts"),
    ],
    ids=["empty", "a heading alone", "a column lacks", "a column is misspelt", "a column twice", "a cell too many",
         "an open quote", "a zero", "another encoding", "UTF-16", "too large", "too many"],
)  # fmt: skip
def test_a_file_that_is_none_is_said(text: str | bytes, said: str) -> None:
    assert said in problems(text)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_whatever_the_file_holds_it_is_rows_or_problems(data: str | bytes) -> None:
    content = data if isinstance(data, bytes) else b"id,name,role,classes\n" + data.encode("utf-8", "replace")
    try:
        found = parse(content, "staff.csv", CLASSES, PROFILES)
    except ConfigError as error:
        assert error.problems
    else:
        assert found
        assert {place for row in found for place in row.classes} <= set(CLASSES)
