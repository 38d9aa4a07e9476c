"""What a new table is tried with: probes.yaml, and what the other files speak of and so must resolve.

Pure: checked models and values in, `core.probes.Probes` out. Only `load` calls it.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from filterd.config.schema_probes import Probes as Model
from filterd.config.schema_probes import QualityGroup
from filterd.core import names
from filterd.core.policy import Policy, Text
from filterd.core.probes import Group, Probes, Sentinels
from filterd.core.source import Source
from filterd.errors import NameSyntaxError

SAFE_SEARCH = Group("safe-search", Text("Tìm kiếm an toàn", "Safe search"), ())
CONTACTS = Group("contacts", Text("Nơi giúp đỡ", "Where help is"), ())
LEARNING = Group("learning", Text("Trang học tập", "Learning services"), ())
LIST_HOSTS = Group("list-hosts", Text("Nơi tải danh sách", "Where the lists come from"), ())
UPSTREAMS = Group("upstreams", Text("Máy chủ phân giải", "Upstream resolvers"), ())
OWN = (SAFE_SEARCH, CONTACTS, LEARNING, LIST_HOSTS, UPSTREAMS)


def probes(model: Model, policy: Policy, contacts: Iterable[str], sources: Iterable[Source]) -> Probes:
    """All probes. `contacts`: the names of contacts.yaml; `sources`: all, those that are enabled count."""
    return Probes(
        must_resolve=(
            *(_group(each, tuple(dict.fromkeys(each.unless))) for each in model.must_resolve),
            *_own(policy, contacts, sources),
        ),
        must_block=tuple(Sentinels(each.category, tuple(dict.fromkeys(each.names))) for each in model.must_block),
        quality=tuple(_group(each) for each in model.quality),
    )


def _group(group: QualityGroup, unless: tuple[str, ...] = ()) -> Group:
    name = Text(vi=group.name.vi, en=group.name.en)
    return Group(group.id, name, tuple(dict.fromkeys(group.names)), unless)


def _own(policy: Policy, contacts: Iterable[str], sources: Iterable[Source]) -> list[Group]:
    """The groups that nobody has to write down; without names they are left out."""
    learning = [name for service in policy.services if service.category is None for name in service.names]
    urls = [url for source in sources if source.enabled for url in (source.url, *source.mirrors)]
    upstreams = [*policy.upstreams, *(upstream for route in policy.routes for upstream in route.upstreams)]
    found = (
        (SAFE_SEARCH, [mode.target for engine in policy.engines for mode in engine.modes if mode.target]),
        (CONTACTS, [name.removeprefix("=") for name in contacts]),
        (LEARNING, [name.removeprefix("=") for name in learning]),
        (LIST_HOSTS, _hosts(urls)),
        (UPSTREAMS, _hosts(upstream.url for upstream in upstreams)),
    )
    return [Group(own.id, own.name, tuple(dict.fromkeys(each))) for own, each in found if each]


def _hosts(urls: Iterable[str]) -> list[str]:
    """The names in URLs; an address, or a file, has none."""
    found = []
    for url in urls:
        try:
            host = names.normal(urlsplit(url).hostname or "")
        except (ValueError, NameSyntaxError):
            continue
        if not host.rpartition(".")[2].isdigit():
            found.append(host)
    return found
