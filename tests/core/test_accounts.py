"""Accounts as values: what each change leaves, whose a token is, and what is no set of accounts."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterd.core import accounts
from filterd.core.access import Grant
from filterd.core.accounts import Accounts, Record, Token, token_hash
from filterd.core.commands import Role
from filterd.errors import Refused

NOW = 1_795_500_000
DAY_S = 86_400


def an(**changes: object) -> Record:
    given = {"id": "an", "name": "Nguyễn Thị An", "role": Role.TEACHER, "classes": ("7-1",), "password": "hash"}
    return Record(**given | changes)  # type: ignore[arg-type]


def token(text: str = "secret", ident: str = "t1", until: int = NOW + DAY_S) -> Token:
    return Token(ident, token_hash(text), NOW, until)


ONE = Accounts((an(),))


def rule(change: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        change()
    return caught.value.rule


def test_an_account_is_added_once() -> None:
    assert accounts.add(Accounts(), an()) == ONE
    assert rule(lambda: accounts.add(ONE, an(name="another"))) == "exists"


def test_a_revoked_account_is_nobody_until_it_is_added_again() -> None:
    full = accounts.add_token(ONE, "an", token(), NOW)
    gone = accounts.revoke(accounts.grant(full, "an", Grant("6-1", NOW, NOW + 9), NOW), "an", NOW)
    record = gone.find("an")
    assert record is not None
    assert (record.password, record.tokens, record.grants, record.classes) == ("", (), (), ())
    assert gone.account("an") is None
    assert gone.by_token("secret", NOW) is None
    for change in (
        lambda: accounts.revoke(gone, "an", NOW),
        lambda: accounts.reset(gone, "an", "h", NOW),
        lambda: accounts.set_password(gone, "an", "h"),
        lambda: accounts.add_token(gone, "an", token(), NOW),
        lambda: accounts.grant(gone, "an", Grant("6-1", NOW, NOW + 9), NOW),
        lambda: accounts.change(gone, "an", "An", Role.HEAD, (), ()),
    ):
        assert rule(change) == "revoked"
    assert accounts.add(gone, an()) == ONE


def test_a_reset_ends_every_token_and_the_password() -> None:
    full = accounts.add_token(ONE, "an", token(), NOW)
    record = accounts.reset(full, "an", "new", NOW + DAY_S).find("an")
    assert record == an(password="new", one_time_until=NOW + DAY_S)


def test_an_own_password_ends_the_one_time_one_and_keeps_tokens() -> None:
    first = accounts.add_token(accounts.reset(ONE, "an", "new", NOW + DAY_S), "an", token(), NOW)
    assert first.account("an").must_change  # type: ignore[union-attr]
    record = accounts.set_password(first, "an", "own").find("an")
    assert record == an(password="own", tokens=(token(),))


def test_an_account_nobody_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(Refused, match=r"there is no account 'ann'; did you mean 'an'\?"):
        accounts.must_find(ONE, "ann")


@pytest.mark.parametrize(
    ("text", "at", "found"),
    [
        ("secret", NOW, True), ("secret", NOW + DAY_S - 1, True), ("secret", NOW + DAY_S, False),
        ("secret", 0, False), ("Secret", NOW, False), ("", NOW, False), ("secret\0", NOW, False),
        (token_hash("secret"), NOW, False), ("\ud800", NOW, False), ("x" * 100_000, NOW, False),
    ],
    ids=["right", "to its last second", "expired", "a clock that stands at 1970", "almost", "nothing", "longer",
         "its hash", "no text", "endless"],
)  # fmt: skip
def test_a_token_is_its_owners_while_it_holds(text: str, at: int, found: bool) -> None:
    held = accounts.add_token(accounts.add(ONE, an(id="binh")), "an", token(), NOW)
    account = held.by_token(text, at)
    assert (account is not None) is found
    if account is not None:
        assert (account.id, account.must_change) == ("an", False)


def test_a_revoked_token_holds_no_more() -> None:
    held = accounts.add_token(ONE, "an", token(), NOW)
    after, owner = accounts.revoke_token(held, "t1")
    assert owner.id == "an"
    assert after.by_token("secret", NOW) is None
    assert rule(lambda: accounts.revoke_token(after, "t1")) == "unknown"


def test_tokens_are_bounded_and_expired_ones_forgotten() -> None:
    held = ONE
    for number in range(accounts.MAX_TOKENS):
        held = accounts.add_token(held, "an", token(str(number), f"t{number}"), NOW)
    assert rule(lambda: accounts.add_token(held, "an", token("more"), NOW)) == "too-many"
    later = accounts.add_token(held, "an", token("more", until=NOW + 9 * DAY_S), NOW + 2 * DAY_S)
    assert len(later.find("an").tokens) == 1  # type: ignore[union-attr]


def test_grants_are_for_teachers_end_and_are_bounded() -> None:
    head = accounts.add(ONE, an(id="hieu", role=Role.HEAD))
    assert rule(lambda: accounts.grant(head, "hieu", Grant("6-1", NOW, NOW + 9), NOW)) == "role"
    assert rule(lambda: accounts.grant(ONE, "an", Grant("6-1", NOW - 9, NOW), NOW)) == "past"
    assert rule(lambda: accounts.grant(ONE, "an", Grant("6-1", NOW + 9, NOW + 9), NOW)) == "past"
    held = ONE
    for number in range(accounts.MAX_GRANTS):
        held = accounts.grant(held, "an", Grant(f"c{number}", NOW, NOW + 9), NOW)
    assert rule(lambda: accounts.grant(held, "an", Grant("more", NOW, NOW + 9), NOW)) == "too-many"
    later = accounts.grant(held, "an", Grant("more", NOW, NOW + 90), NOW + 10)
    assert len(later.find("an").grants) == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("of_account", "of_role", "left"),
    [
        ((), None, None), (("exam",), None, ("exam",)), ((), ("exam", "video"), ("exam", "video")),
        (("exam", "free"), ("video", "exam"), ("exam",)), (("free",), ("exam",), ()),
    ],
    ids=["no limit", "the account's", "the role's", "both", "nothing is left"],
)  # fmt: skip
def test_profiles_are_the_accounts_within_the_roles(
    of_account: tuple[str, ...], of_role: tuple[str, ...] | None, left: tuple[str, ...] | None
) -> None:
    limited = accounts.limit(Accounts((an(profiles=of_account),)), Role.TEACHER, of_role)
    account = limited.account("an")
    assert account is not None
    assert account.profiles == left
    assert accounts.limit(limited, Role.TEACHER, None).limits == ()


def test_no_more_accounts_than_the_bound() -> None:
    full = Accounts(tuple(an(id=f"a{number}") for number in range(accounts.MAX_ACCOUNTS)))
    assert rule(lambda: accounts.add(full, an())) == "too-many"


def test_whoever_is_no_teacher_any_more_stands_in_for_nobody() -> None:
    held = accounts.grant(ONE, "an", Grant("6-1", NOW, NOW + 9), NOW)
    assert accounts.change(held, "an", "An", Role.HEAD, (), ()).find("an").grants == ()  # type: ignore[union-attr]


FULL = Accounts(
    (
        an(tokens=(token(),), grants=(Grant("6-1", NOW, NOW + 9, "hieu"),), one_time_until=NOW, profiles=("exam",)),
        an(id="cu", revoked_at=NOW, password=""),
    ),
    (accounts.RoleLimit(Role.TEACHER, ("exam",)),),
    7,
    "ab",
)  # fmt: skip


def test_what_is_stored_is_read_again() -> None:
    assert Accounts.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL


@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(lambda data: data.update(format=2), id="another format"),
        pytest.param(lambda data: data.pop("format"), id="no format"),
        pytest.param(lambda data: data.update(items=7), id="a number for accounts"),
        pytest.param(lambda data: data.update(more=1), id="an unknown key"),
        pytest.param(lambda data: data["items"].append(7), id="a number for an account"),
        pytest.param(lambda data: data["items"].append(data["items"][0]), id="an account twice"),
        pytest.param(lambda data: data["items"][0].update(role="god"), id="an unknown role"),
        pytest.param(lambda data: data["items"][0].pop("role"), id="no role"),
        pytest.param(lambda data: data["items"][0].update(classes="7-1"), id="a text for classes"),
        pytest.param(lambda data: data["items"][0].update(one_time_until=True), id="a truth for a moment"),
        pytest.param(lambda data: data["items"][0]["tokens"][0].update(expires_at=1e9), id="a fraction for a moment"),
        pytest.param(lambda data: data["items"][0]["tokens"][0].update(sha256=None), id="no hash"),
        pytest.param(lambda data: data["items"][0].update(name="a\x1b[2J"), id="a name for terminals"),
    ],
)
def test_anything_else_is_refused(bend: Callable[[dict[str, object]], object]) -> None:
    data = json.loads(json.dumps(FULL.to_json()))
    bend(data)
    with pytest.raises(ValueError, match=r"accounts|role|Role"):
        Accounts.from_json(data)


@pytest.mark.parametrize("data", [None, 7, "x", [], [1], {}])
def test_what_is_no_object_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="accounts"):
        Accounts.from_json(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "role", "tokens"]), inner),
    max_leaves=6,
)


@given(key=st.sampled_from(list(FULL.to_json())), field=st.sampled_from(list(FULL.to_json()["items"][0])), value=JSON)
def test_whatever_stands_somewhere_it_is_accounts_or_refused(key: str, field: str, value: object) -> None:
    for bend in (lambda data: data.update({key: value}), lambda data: data["items"][0].update({field: value})):
        data = json.loads(json.dumps(FULL.to_json()))
        bend(data)
        try:
            found = Accounts.from_json(data)
        except ValueError:
            continue
        assert found.by_token("secret", NOW) is None or found.items
        assert Accounts.from_json(json.loads(json.dumps(found.to_json()))) == found
