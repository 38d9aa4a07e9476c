"""A district's bundle from a real web server and from a folder; and what it must not do to the school."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from filterd.core import names
from filterd.core.policy import Text
from filterd.core.probes import Group, Probes, Sentinels
from filterd.core.updates import Why
from filterd.errors import TrustError
from filterd.store import bundles, lists, tables
from filterd.store.bundles import INDEX, SIGNATURE
from filterd.update import district as update
from tests import schools
from tests.certificates import Authority
from tests.core.compiled import compiled
from tests.store.district import NOW, District, nothing_wrong
from tests.update import webserver
from tests.update.fetching import HOST, QUICK, Fetching
from tests.update.webserver import WebServer

PLACE = "/filterd"
POLICY = schools.POLICY


class Served(District):
    """The district's folder as a web server has it. `update` is what the school's nightly update does."""

    def publish(self, web: WebServer) -> None:
        web.files = {
            f"{PLACE}/{path.relative_to(self.folder)}": path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    def update(self, fetching: Fetching | None, place: str, now: int = NOW, check=nothing_wrong):  # type: ignore[no-untyped-def]
        with lists.lock(self.school), lists.staging(self.school) as staging:
            gate = bundles.gate(self.config, self.school, now, True)
            fetcher = None if fetching is None else fetching.fetcher
            return update.update(self.school, place, fetcher, staging, gate, 3, check)


@pytest.fixture
def district(tmp_path: Path) -> Served:
    made = Served(tmp_path)
    made.compile("a.com")
    made.export()
    return made


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def web(district: Served, authority: Authority) -> Iterator[WebServer]:
    with WebServer({}, webserver.tls_of(authority, HOST)) as made:
        district.publish(made)
        yield made


@pytest.fixture
def fetching(tmp_path: Path, authority: Authority) -> Iterator[Fetching]:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    with Fetching(downloads, limits=QUICK, ca=authority.ca) as made:
        yield made


def blocks(state: Path, name: str) -> bool:
    generation = tables.current(state)
    assert generation is not None
    return tables.open_table(tables.verify(state, generation)).mask(names.key_of_text(name)) != 0


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_bundle_is_fetched_and_in_force(district: Served, web: WebServer, fetching: Fetching, slash: str) -> None:
    taken = district.update(fetching, web.url(PLACE, HOST) + slash)
    assert taken.changed
    assert tables.current(district.school) == taken.generation
    assert blocks(district.school, "a.com")
    asked = [request.path.removeprefix(PLACE + "/").rpartition("/")[2] for request in web.requests]
    assert asked[:2] == [INDEX, SIGNATURE]
    assert sorted(asked[2:]) == ["LICENCES.txt", "meta.json", "sets.bin", "trie.marisa"]


def test_what_is_in_force_is_not_fetched_again(district: Served, web: WebServer, fetching: Fetching) -> None:
    district.update(fetching, web.url(PLACE, HOST))
    district.export(NOW + 60)
    district.publish(web)
    web.requests.clear()
    taken = district.update(fetching, web.url(PLACE, HOST), NOW + 60)
    assert not taken.changed
    assert len(web.requests) == 2
    assert bundles.recorded(district.school).last == taken.offer.accepted


def test_nothing_but_the_index_is_fetched_from_strangers(district: Served, web: WebServer, fetching: Fetching) -> None:
    (district.config / "keys/district.pub").unlink()
    with pytest.raises(TrustError, match="no key is trusted here") as caught:
        district.update(fetching, web.url(PLACE, HOST))
    assert caught.value.why == Why.KEY
    assert len(web.requests) == 2


def test_an_older_bundle_is_not_fetched(district: Served, web: WebServer, fetching: Fetching) -> None:
    district.compile("b.com")
    district.export(NOW + 60)
    district.bring(NOW + 60)
    with pytest.raises(TrustError, match="an older one is never taken") as caught:
        district.update(fetching, web.url(PLACE, HOST), NOW + 60)
    assert caught.value.why == Why.OLDER
    assert len(web.requests) == 2
    assert blocks(district.school, "b.com")


def test_an_export_between_index_and_signature_costs_one_more_look(
    district: Served, web: WebServer, fetching: Fetching
) -> None:
    old = (district.folder / INDEX).read_bytes()
    district.export(NOW + 60)
    district.publish(web)
    web.files[f"{PLACE}/{INDEX}"] = webserver.in_turn(old, (district.folder / INDEX).read_bytes())
    taken = district.update(fetching, web.url(PLACE, HOST), NOW + 60)
    assert taken.offer.index.version == NOW + 60


FAULTS = [
    pytest.param(INDEX, webserver.status(404), Why.STATUS, "HTTP 404", id="no bundle there"),
    pytest.param(SIGNATURE, webserver.status(404), Why.STATUS, "HTTP 404", id="no signature"),
    pytest.param(INDEX, webserver.html(), Why.SIGNATURE, "not signed by a key trusted here", id="a login page"),
    pytest.param(INDEX, webserver.endless(), Why.TOO_LARGE, "larger", id="an endless index"),
    pytest.param("trie.marisa", webserver.cut_off(b"x" * 500, 100), Why.TRUNCATED, "", id="a table cut off"),
    pytest.param("trie.marisa", b"short", Why.DAMAGED, "has 5 bytes", id="a short table"),
    pytest.param("trie.marisa", webserver.endless(), Why.TOO_LARGE, "larger", id="an endless table"),
    pytest.param("sets.bin", webserver.status(404), Why.STATUS, "HTTP 404", id="a file that is missing"),
    pytest.param("meta.json", webserver.rate_limited("60"), Why.RATE_LIMITED, "HTTP 429", id="asked too often"),
]


@pytest.mark.parametrize(("name", "behaviour", "why", "said"), FAULTS)
def test_what_goes_wrong_on_the_way_leaves_what_was_in_force(
    district: Served, web: WebServer, fetching: Fetching, name: str, behaviour, why: Why, said: str
) -> None:  # type: ignore[no-untyped-def]
    district.update(fetching, web.url(PLACE, HOST))
    before = tables.current(district.school)
    district.compile("b.com")
    district.export(NOW + 60)
    district.publish(web)
    folder = "" if name in (INDEX, SIGNATURE) else f"{district.index().folder}/"
    web.files[f"{PLACE}/{folder}{name}"] = behaviour
    with pytest.raises(TrustError) as caught:
        district.update(fetching, web.url(PLACE, HOST), NOW + 60)
    assert caught.value.why == why
    assert said in str(caught.value)
    assert tables.current(district.school) == before
    assert not list((district.school / "lists").glob(".staging/*"))


def test_a_folder_is_read_where_it_is(district: Served) -> None:
    assert district.update(None, str(district.folder)).changed
    assert blocks(district.school, "a.com")


def test_a_folder_that_is_not_there_is_said(district: Served, tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="there is no bundle") as caught:
        district.update(None, str(tmp_path / "unplugged"))
    assert caught.value.why == Why.MISSING


def test_without_the_network_a_web_server_is_not_asked(district: Served, web: WebServer) -> None:
    with pytest.raises(TrustError, match="is not asked without the network"):
        district.update(None, web.url(PLACE, HOST))
    assert not web.requests


# -- the school's own policy ------------------------------------------------------------------------------------------


GOOD = Group("learning", Text("Học", "Learning"), ("classroom.example", "wiki.example"))
PROBES = Probes(must_resolve=(GOOD,), must_block=(Sentinels("adult", ("sin.example",)),))


def publish(district: Served, state: Path, *blocked: str) -> None:
    tables.publish(state, compiled(("domains", "adult", "\n".join(blocked))), NOW)


def judged(district: Served, before: tuple[str, ...] | None, after: tuple[str, ...]) -> str:
    """What the prober says about a table that blocks `after`, where one that blocks `before` is in force."""
    if before is not None:
        publish(district, district.school, *before)
    publish(district, district.state, *after)
    generation = tables.current(district.state)
    assert generation is not None
    check = update.prober(POLICY, PROBES, district.school, NOW)
    return check(tables.open_table(tables.verify(district.state, generation)))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        pytest.param(("sin.example",), ("sin.example", "new.example"), "", id="nothing wrong"),
        pytest.param(
            ("sin.example",), ("sin.example", "classroom.example"), "this table would block classroom.example for ",
            id="blocks what must resolve",
        ),
        pytest.param(
            ("sin.example",), ("sin.example", "classroom.example", "wiki.example"), "(and 1 more)", id="two of them",
        ),
        pytest.param(
            ("sin.example",), ("x.example",), "with this table sin.example would no longer be blocked", id="opens a sin"
        ),
        pytest.param(
            ("sin.example", "wiki.example"), ("sin.example", "wiki.example", "x.example"), "", id="an old sin"
        ),
        pytest.param(("x.example",), ("y.example",), "", id="nothing was blocked before either"),
        pytest.param(None, ("y.example",), "", id="something is better than nothing"),
        pytest.param(None, ("sin.example", "wiki.example"), "would block wiki.example", id="but not that"),
    ],
)  # fmt: skip
def test_a_table_is_taken_unless_it_does_a_new_wrong(district: Served, before, after, said: str) -> None:  # type: ignore[no-untyped-def]
    found = judged(district, before, after)
    assert said in found if said else found == ""


def test_a_damaged_table_in_force_excuses_nothing_and_stops_nothing(district: Served) -> None:
    publish(district, district.school, "sin.example")
    path = district.school / "tables" / str(tables.current(district.school)) / "trie.marisa"
    path.write_bytes(b"")
    assert judged(district, None, ("x.example",)) == ""


def test_a_bundle_that_sins_is_not_taken(district: Served) -> None:
    publish(district, district.school, "sin.example")
    publish(district, district.state, "sin.example", "classroom.example")
    district.export(NOW + 60)
    with pytest.raises(TrustError, match=r"would block classroom\.example") as caught:
        district.update(None, str(district.folder), NOW + 60, update.prober(POLICY, PROBES, district.school, NOW))
    assert caught.value.why == Why.PROBE
    assert not blocks(district.school, "classroom.example")
