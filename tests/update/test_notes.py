"""What a run writes down, and for whom."""

from __future__ import annotations

from filterd.store import lists, status
from filterd.update import notes
from tests.update.boxes import NIGHT_S, Box
from tests.update.webserver import WebServer
from tests.update.webserver import status as code


def test_failures_are_counted_until_the_server_answers(box: Box, web: WebServer):
    web.files["/games.txt"] = code(404)
    box.night()
    box.night()
    memory = lists.recall(box.state, "games-list")
    assert (memory.failures, memory.last_success, memory.last_attempt) == (2, None, int(box.now))
    web.files["/games.txt"] = b"".join(b"site-%d.example\n" % n for n in range(50))
    box.night()
    memory = lists.recall(box.state, "games-list")
    assert (memory.failures, memory.last_success, memory.last_change) == (0, int(box.now), int(box.now))


def test_a_login_page_every_night_is_no_answer_of_the_server(box: Box, web: WebServer):
    box.night()
    good = int(box.now)
    web.files["/games.txt"] = b"<!DOCTYPE html><html><body>Sign in</body></html>\n" * 20
    box.night()
    web.requests.clear()
    box.now += 60
    box.again()  # as after a start, when nobody has signed in yet: it is asked again, like one that failed
    assert [request.path for request in web.requests] == ["/games.txt"]
    memory = lists.recall(box.state, "games-list")
    assert (memory.outcome, memory.failures, memory.last_success) == ("refused", 2, good)


def test_a_source_that_was_not_due_keeps_what_was_said_of_it(box: Box, web: WebServer):
    box.night()
    web.files["/games.txt"] = b"one.example\n"
    box.night()
    held = status.read(box.state)["sources"]["games-list"]
    assert held["held"]
    box.now += 60
    box.again()
    assert status.read(box.state)["sources"]["games-list"] == held


def test_a_run_for_one_source_keeps_the_rows_of_the_others(box: Box):
    box.night()
    before = status.read(box.state)["sources"]
    box.night(only=frozenset({"games-list"}))
    after = status.read(box.state)["sources"]
    assert after["more-list"] == before["more-list"]
    assert after["games-list"]["last_attempt"] == before["games-list"]["last_attempt"] + NIGHT_S


def test_a_source_nobody_has_asked_yet_has_a_row(box: Box):
    found = box.night(offline=True).status["sources"]["games-list"]
    assert (found["outcome"], found["last_attempt"], found["entries"], found["held"]) == ("skipped", None, None, False)


def test_notes_that_cannot_be_written_stop_nothing(box: Box):
    box.night()
    memory = box.state / "lists" / "games-list" / lists.MEMORY
    memory.unlink()
    memory.mkdir()  # nothing can be renamed over it
    notes.remember(box.state, {}, 0)
    assert box.night().exit_code == 0


def test_how_good_the_lists_are_is_noted_with_every_new_table_and_kept_after(box: Box):
    found = box.night().status["quality"]
    by_source = {row["source"]: row for row in found["sources"]}
    assert by_source["more-list"]["entries"] == 50
    assert {row["tier"] for row in found["tiers"]} == {"tieu-hoc", "thcs", "staff"}
    assert box.night().status["quality"] == found
