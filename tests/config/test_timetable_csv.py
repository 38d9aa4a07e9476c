import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.config.timetable_csv import Entry, School, parse, plain
from filterd.core.timetable import Bell, Plan
from filterd.errors import ConfigError

RESTARTS = Plan("p", (Bell("morning", 1, 420, 465), Bell("morning", 2, 470, 515), Bell("afternoon", 1, 780, 825)))
GOES_ON = Plan("q", (Bell("morning", 1, 420, 465), Bell("afternoon", 2, 780, 825)))
SCHOOL = School(
    classes={"6a": "6A", "7-3": "7/3", "9b": "9B"},
    rooms={"phong-tin": "Phòng Tin học", "library": "Thư viện"},
    profiles=("exam", "video"),
    plans={"6a": RESTARTS, "7-3": RESTARTS, "9b": GOES_ON},
)
HEAD = "Lớp,Thứ,Buổi,Tiết,Môn học,Giáo viên,Phòng,Chế độ\n"


def read(text: str) -> tuple[Entry, ...]:
    return parse(text.encode(), "tkb.csv", SCHOOL)


def told(text: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), "tkb.csv", SCHOOL)
    return [str(problem) for problem in caught.value.problems]


FULL = Entry(2, "7-3", "mon", 0, "Tin học", "nguyen-thi-ha", "phong-tin", "exam")


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "7/3,2,Sáng,1,Tin học,Nguyễn Thị Hà,Phòng Tin học,exam\n",
        HEAD + "7-3,Thứ 2,S,Tiết 1,Tin học,nguyen-thi-ha,phong-tin,exam\n",
        HEAD + "7/3,Thứ Hai,buổi sáng,1,Tin học,Nguyễn  thị  hà,PHÒNG TIN HỌC,exam",
        "class;day;half;period;subject;teacher;room;profile\r\n"
        "7-3;Mon;morning;1;Tin học;Nguyễn Thị Hà;phong-tin;exam\r\n",
        "profile\troom\tteacher\tsubject\tperiod\thalf\tday\tclass\n"
        "exam\tphong-tin\tnguyen-thi-ha\tTin học\t1\tsang\tmonday\t7-3",
        "\ufeff" + HEAD + '"7/3","2","Sáng","1","Tin học","Nguyễn Thị Hà","Phòng Tin học","exam"\n',
    ],
    ids=["names", "ids", "words", "semicolons", "tabs", "quotes"],
)  # fmt: skip
def test_a_lesson_is_read_however_the_school_writes_it(text):
    assert read(text) == (FULL,)


def test_utf_16_as_spreadsheets_save_it():
    text = HEAD + "7/3,2,Sáng,1,Tin học,Nguyễn Thị Hà,Phòng Tin học,exam\n"
    assert parse(text.encode("utf-16"), "tkb.csv", SCHOOL) == (FULL,)


def test_columns_that_say_nothing_may_lack():
    (entry,) = read("class,day,period\n9b,cn,2\n")
    assert entry == Entry(2, "9b", "sun", 1, "", None, None, None)


def test_a_grid_has_one_class_a_column_and_repeats_the_day_above():
    text = "Thứ,Buổi,Tiết,6A,7/3\n2,Sáng,1,Toán - Lê An,Văn\n,,2,,Sử\n,Chiều,1,Thể dục,\n3,Sáng,1,-,x\n"
    assert [(e.line, e.classroom, e.weekday, e.bell, e.subject, e.teacher) for e in read(text)] == [
        (2, "6a", "mon", 0, "Toán", "le-an"),
        (2, "7-3", "mon", 0, "Văn", None),
        (3, "7-3", "mon", 1, "Sử", None),
        (4, "6a", "mon", 2, "Thể dục", None),
    ]


def test_the_same_room_one_after_another_and_another_class_in_the_same_period_are_fine():
    lines = "6a,2,s,1,Tin,,phong-tin,\n7-3,2,s,2,Tin,,phong-tin,\n7-3,2,s,1,Sử,,library,\n7-3,3,s,1,Tin,,phong-tin,\n"
    assert len(read(HEAD + lines)) == 4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("7/33,2,s,1,Tin,,,", "'7/33' is not a class; did you mean '7/3'?"),
        (",2,s,1,Tin,,,", "'' is not a class"),
        ("6a,8,s,1,Tin,,,", "'8' is not a day of the week, such as 2, Thứ 2, CN or mon"),
        ("6a,2,trưa,1,Tin,,,", "'trưa' is not a half-day: sáng, chiều or tối"),
        ("6a,2,s,3,Tin,,,", "the plan 'p' has no period '3' in the morning"),
        ("6a,2,s,,Tin,,,", "the plan 'p' has no period '' in the morning"),
        ("6a,2,,1,Tin,,,", "period 1 is in the morning and later too; the line must say the half-day"),
        ("6a,2,s,1,Tin,,Phòng Tin,", "'Phòng Tin' is not a room; did you mean 'phong-tin'?"),
        ("6a,2,s,1,Tin,,,exams", "'exams' is not a profile; did you mean 'exam'?"),
        ("6a,2,s,1," + 101 * "x" + ",,,", "is not a subject: at most 100 characters in one line"),
        ('6a,2,s,1,"T\tin",,,', "is not a subject"),
        ("6a,2,s,1,Tin,???,,", "'' is not an id"),
        ("6a,2,s,1,Tin,,,,more", "has more cells than the first line"),
    ],
    ids=lambda value: value[:30],
)
def test_a_bad_line_is_told_with_its_number(line, message):
    (found,) = told(HEAD + "9b,2,,1,Toán,,,\n" + line + "\n")
    assert found.startswith("tkb.csv:3: ") and message in found


def test_every_bad_line_is_told():
    found = told(HEAD + "6x,2,s,1,a,,,\n6a,9,s,1,a,,,\n\n6a,2,s,9,a,,,\n")
    assert [line.partition(" ")[0] for line in found] == ["tkb.csv:2:", "tkb.csv:3:", "tkb.csv:5:"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("6a,2,s,1,Tin,,,\n6a,2,s,1,Sử,,,\n", "tkb.csv:3: 6a already has a lesson in that period, in line 2"),
        (
            "6a,2,s,1,Tin,,phong-tin,\n9b,2,,1,Tin,,phong-tin,\n",
            "tkb.csv:3: two in phong-tin at once: 6a is there by line 2",
        ),
    ],
    ids=["lesson", "room"],
)
def test_what_cannot_be_at_once_is_told(lines, message):
    assert told(HEAD + lines) == [message]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "tkb.csv: is empty"),
        (HEAD, "tkb.csv: holds no lesson"),
        ("a,b\n1,2\n", "tkb.csv:1: the first line has no column for day and period"),
        ("class,lớp,day,period\n", "the first line has two columns for the same"),
        ("day,period\n2,1\n", "the first line names no class"),
        (HEAD.encode() + b"6a,2,s,1,To\xe1n,,,\n", "tkb.csv:2: is not UTF-8; save it as CSV UTF-8"),
        (HEAD + "6a,2,s,1,\0,,,\n", "holds NUL characters"),
        (HEAD + 'x"' + 200_000 * "y", "not CSV"),
        (b"x" * ((4 << 20) + 1), "is larger than 4 MiB"),
        (HEAD + "6a,2,s,1,Tin,,,\n" * 50_001, "has more than 50,000 lines"),
    ],
    ids=["empty", "head", "columns", "twice", "no-class", "encoding", "nul", "field", "bytes", "lines"],
)
def test_what_is_no_timetable_is_refused(data, message):
    (found,) = told(data)
    assert message in found


@pytest.mark.parametrize(("text", "words"), [("Môn  Học", "mon hoc"), ("ĐẠO ĐỨC", "dao duc"), ("  Thứ 2 ", "thu 2")])
def test_words_without_accents(text, words):
    assert plain(text) == words


cells = st.sampled_from(["", "6a", "7/3", "2", "s", "1", "Tin", "phong-tin", "9b", "c", '"', ";", "\n", "é"])


@given(st.lists(st.lists(cells, max_size=9), max_size=8))
def test_any_file_is_lessons_or_a_list_of_mistakes(rows):
    text = HEAD + "\n".join(",".join(row) for row in rows)
    try:
        found = read(text)
    except ConfigError as error:
        assert error.problems
    else:
        assert all(entry.classroom in SCHOOL.classes for entry in found)
