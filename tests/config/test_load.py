from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filterd.config import files, load
from filterd.errors import ConfigError
from tests import configs

ROOT = Path(__file__).resolve().parents[2]


def mistakes(config_dir: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load.load_all(config_dir)
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def config(tmp_path):
    return configs.write(tmp_path)


def test_a_valid_directory_becomes_a_policy_with_its_digest(config):
    policy = load.load(config)
    assert policy.school_code == "thu-01"
    assert [place.id for place in policy.places] == ["3a", "7-3", "staff-room"]
    assert policy.digest == files.digest(config) == load.digest(config)


def test_compiled_policy_survives_json(config):
    policy = load.load(config)
    assert type(policy).from_json(policy.to_json()) == policy


def test_sources_become_values(config):
    (source,) = load.load_sources(config)
    assert (source.id, source.url, source.max_shrink, source.enabled) == (
        "adult-curated",
        "file:curated/adult.txt",
        0.2,
        True,
    )


def test_a_broken_sources_file_does_not_stop_the_policy(config):
    (config / "blocklists" / "sources.yaml").write_text("sources: 7")
    assert load.load(config).school_code == "thu-01"
    with pytest.raises(ConfigError):
        load.load_sources(config)


def test_staged_content_replaces_the_file_and_is_in_the_digest(config):
    staged = load.load(config, staged={"names.yaml": b"allow: []\nblock: []\n"})
    assert staged.names == ()
    assert staged.digest != load.load(config).digest


MESSAGES = [
    (
        "classes.yaml",
        "tier: thcs",
        "tier: thsc",
        "policies/classes.yaml:3 classrooms[1].tier: 'thsc' is not a tier; did you mean 'thcs'?",
    ),
    (
        "classes.yaml",
        "name: 7/3",
        "nmae: 7/3",
        "policies/classes.yaml:3 classrooms[1].nmae: unknown key 'nmae'; did you mean 'name'?",
    ),
    (
        "classes.yaml",
        "name: 3A",
        "name: 3",
        "policies/classes.yaml:2 classrooms[0].name: 3 is read as a number, text was",
    ),
    (
        "classes.yaml",
        "id: 7-3",
        "id: 71",
        'policies/classes.yaml:3 classrooms[1].id: 71 is read as a number, text was expected; write it in quotes: "71"',
    ),
    ("classes.yaml", "id: 7-3", "id: 7/3", "policies/classes.yaml:3 classrooms[1].id: '7/3' is not an id"),
    ("school.yaml", "workers: 1", "workers: many", "policies/school.yaml:6 workers: 'many' is not a number of workers"),
    ("school.yaml", "thu-01", "no", None),
    (
        "tiers.yaml",
        "pupils: false",
        "pupils: no",
        "policies/tiers.yaml:28 tiers.staff.pupils: the text 'no' stands here, true or false was expected",
    ),
    (
        "contacts.yaml",
        'phone: "111"',
        "phone: 111",
        "policies/contacts.yaml:4 contacts[0].phone: 111 is read as a number, text was expected; write it in quotes",
    ),
    (
        "services.yaml",
        "names: [olm.vn]",
        "names: olm.vn",
        "services.olm.names: the text 'olm.vn' stands here, a list was expected",
    ),
    ("services.yaml", "    names: [olm.vn]\n", "", "policies/services.yaml:6 services.olm: 'names' is missing"),
    ("profiles.yaml", "[exam-basic]", "[exam-basics]", "'exam-basics' is not a bundle; did you mean 'exam-basic'?"),
    (
        "school.yaml",
        "networks: [",
        'update: {bundle: "http://so.example"}\nnetworks: [',
        "update.bundle: 'http://so.example' is no place of a bundle: an https: URL or an absolute path",
    ),
    ("school.yaml", "networks: [", "update: {bundle: ../stick}\nnetworks: [", "'../stick' is no place of a bundle"),
    ("names.yaml", "tro-choi.example", "co.uk", "policies/names.yaml:6 block[0]: 'co.uk' is a public suffix"),
]


@pytest.mark.parametrize(("file", "old", "new", "message"), MESSAGES, ids=[m[2][:30] or "nothing" for m in MESSAGES])
def test_mistake_names_file_line_path_and_what_to_write(config, file, old, new, message):
    configs.change(config, f"policies/{file}", old, new)
    if message is None:
        assert load.load(config).school_code == new
    else:
        (found,) = mistakes(config)
        assert message in found


def test_every_mistake_of_every_file_is_told_at_once(config):
    configs.change(config, "policies/classes.yaml", "tier: thcs", "tier: thsc")
    configs.change(config, "policies/classes.yaml", "name: Phòng giáo viên", "nmae: 7")
    configs.change(config, "policies/school.yaml", "networks: [127.0.0.0/8, ", "networks: [127.0.0.1/8, ")
    configs.change(config, "policies/floor.yaml", "locked: true", "locked: true\n    locked: false")
    configs.change(config, "policies/names.yaml", "tiers: [thcs]", "tiers: [thpt]")
    configs.change(config, "blocklists/sources.yaml", "category: adult", "category: adlut")
    (config / "policies" / "contacts.yaml").write_bytes(b"contacts: [\xff]\n")
    assert [m.split(": ")[0] for m in mistakes(config)] == [
        "blocklists/sources.yaml:6 sources[0].category",
        "policies/classes.yaml:2 classrooms[0].subnets[0]",
        "policies/classes.yaml:3 classrooms[1].tier",
        "policies/classes.yaml:6 rooms[0].nmae",
        "policies/classes.yaml:8 rooms[0].subnets[0]",
        "policies/contacts.yaml:1",
        "policies/floor.yaml:7 slots[0].locked",
        "policies/names.yaml:4 allow[0].tiers[0]",
        "policies/school.yaml:7 networks[0]",
    ]


def test_a_missing_file_is_named_with_the_one_that_may_be_meant(config):
    (config / "policies" / "classes.yaml").rename(config / "policies" / "clases.yaml")
    assert mistakes(config) == ["policies/classes.yaml: is missing; did you mean 'clases.yaml'?"]


def test_unreadable_file_does_not_add_mistakes_of_those_that_name_its_ids(config):
    (config / "policies" / "tiers.yaml").write_text("tiers: [\n")
    assert [m.partition(":")[0] for m in mistakes(config)] == ["policies/tiers.yaml"]


def test_a_directory_without_policies_says_how_to_get_some(tmp_path):
    assert any("`filterd init DIR` makes one" in m for m in mistakes(tmp_path))


@pytest.mark.parametrize("content", [b"", b"null\n", b"7\n", b"- a\n", b"text\n", b"# nothing\n"], ids=repr)
@pytest.mark.parametrize("file", sorted(load.POLICY_MODELS))
def test_a_file_that_is_no_map_is_a_mistake_and_nothing_worse(config, file, content):
    (config / "policies" / file).write_bytes(content)
    assert any(m.startswith(f"policies/{file}") for m in mistakes(config))


def test_a_folder_in_place_of_a_file_is_a_mistake(config):
    (config / "policies" / "names.yaml").unlink()
    (config / "policies" / "names.yaml").mkdir()
    assert mistakes(config) == ["policies/names.yaml: is not a regular file"]


def test_state_dir_is_known_even_when_the_file_is_broken(config):
    assert load.state_dir(config) == config / "var"
    configs.change(config, "policies/school.yaml", "workers: 1", "workers: oops\nstate_dir: state")
    assert load.state_dir(config) == config / "state"
    (config / "policies" / "school.yaml").write_bytes(b"\xff\xfe\x00")
    assert load.state_dir(config) == config / "var"


def test_shipped_configuration_loads():
    found = load.load_all(ROOT)
    assert {"thcs", "thpt", "staff"} <= {tier.id for tier in found.policy.tiers}
    assert found.sources


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
ALL_FILES = [name for name in configs.FILES if name.endswith(".yaml")]


@FUZZ
@given(file=st.sampled_from(ALL_FILES), data=st.binary(max_size=200))
def test_any_bytes_in_any_file_are_a_configuration_or_a_list_of_mistakes(config, file, data):
    _swap(config, file, data)


@FUZZ
@given(file=st.sampled_from(ALL_FILES), data=st.data())
def test_any_damage_to_a_valid_file_is_a_configuration_or_a_list_of_mistakes(config, file, data):
    text = configs.FILES[file].encode()
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(len(text), start + 30)))
    junk = data.draw(st.text(alphabet="az:-[]{},#'\"\n 0", max_size=6)).encode()
    _swap(config, file, text[:start] + junk + text[stop:])


VALUES = st.recursive(
    st.sampled_from(["null", "true", "7", "-1", "2.5", '"x"', "a.vn", "''", "10:15", "99999999999999999999"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(["name", "id", "vi", "allow", "7"]), inner, max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{k}: {v}" for k, v in pairs.items()) + "}"
        ),
    ),
    max_leaves=5,
)


@FUZZ
@given(file=st.sampled_from(ALL_FILES), line=st.integers(0, 60), value=VALUES)
def test_any_value_behind_any_key_is_a_configuration_or_a_list_of_mistakes(config, file, line, value):
    lines = configs.FILES[file].splitlines()
    line %= len(lines)
    lines[line] = lines[line].partition(":")[0] + ": " + value
    _swap(config, file, "\n".join(lines).encode())


def _swap(config: Path, file: str, data: bytes) -> None:
    path = config / file
    path.write_bytes(data)
    try:
        load.load_all(config)
    except ConfigError as error:
        assert error.problems
        assert all(problem.what and problem.where for problem in error.problems)
    finally:
        path.write_text(configs.FILES[file], encoding="utf-8")
