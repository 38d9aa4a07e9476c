import pytest

from filterd.config import compile_probes, load
from filterd.core.policy import Text
from filterd.core.probes import Group, Sentinels
from tests import configs

SOURCES = """\
sources:
  - {{id: far, name: Far, url: "{url}", mirrors: ["https://Mirror.example/x"], category: adult, licence: MIT}}
  - {{id: off, name: Off, url: "https://off.example/x", category: adult, licence: MIT, enabled: false}}
"""


@pytest.fixture
def config(tmp_path):
    return configs.write(tmp_path)


def groups(config):
    return {group.id: group for group in load.load_all(config).probes.must_resolve}


def test_the_file_becomes_values(config):
    found = load.load_all(config).probes
    assert found.must_resolve[:2] == (
        Group("ministry", Text("Bộ Giáo dục", "Ministry of Education"), ("moet.gov.vn",)),
        Group("talk", Text("Trao đổi", "Talk"), ("zalo.example",), ("games",)),
    )
    assert found.must_block == (Sentinels("adult", ("adult.example",)),)
    assert [(group.id, group.names) for group in found.quality] == [
        ("schools", ("truong.example", "www.truong.example"))
    ]


def test_what_other_files_speak_of_must_resolve_by_itself(config):
    found = groups(config)
    assert found["safe-search"].names == ("safe.tim.example",)
    assert found["contacts"].names == ("tongdai111.vn",)
    assert found["learning"].names == ("olm.vn",)  # and not YouTube, which has a category


def test_a_group_without_names_is_left_out(config):
    assert not {"list-hosts", "upstreams"} & groups(config).keys()


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("https://lists.example:8443/x", ("lists.example", "mirror.example")),
        ("https://192.0.2.1/x", ("mirror.example",)),
        ("file:///mnt/x", ("mirror.example",)),
    ],
    ids=["name", "address", "file"],
)
def test_the_hosts_of_enabled_lists_must_resolve(config, url, names):
    (config / "blocklists/sources.yaml").write_text(SOURCES.format(url=url))
    assert groups(config)["list-hosts"].names == names


def test_the_hosts_of_upstreams_and_routes_must_resolve(config):
    servers = '["udp://127.0.0.1:5399", {url: "tls://dns.quad9.net", addresses: [9.9.9.9]}]'
    configs.change(config, "policies/school.yaml", '["udp://127.0.0.1:5399"]', servers)
    with (config / "policies/school.yaml").open("a") as file:
        file.write("conditional: {so.example: [{url: 'https://dns.so.example/dns-query', addresses: [10.0.0.9]}]}\n")
    assert groups(config)["upstreams"].names == ("dns.quad9.net", "dns.so.example")


def test_without_the_file_only_what_others_speak_of_is_left(config):
    (config / "policies/probes.yaml").unlink()
    found = load.load_all(config).probes
    assert [group.id for group in found.must_resolve] == ["safe-search", "contacts", "learning"]
    assert (found.must_block, found.quality) == ((), ())


def test_a_name_that_an_exact_rule_names_is_probed_without_its_mark(config):
    configs.change(config, "policies/services.yaml", "names: [olm.vn]", "names: [olm.vn, =m.olm.vn, olm.vn]")
    assert groups(config)["learning"].names == ("olm.vn", "m.olm.vn")


def test_groups_that_fill_by_themselves_have_their_names_in_both_languages():
    assert all(group.name.vi and group.name.en for group in compile_probes.OWN)
