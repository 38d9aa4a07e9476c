"""Safe search, from safesearch.yaml and a tier's own words to the values of the compiled policy.

Pure: checked models in, values out. Only `compile` calls it.
"""

from __future__ import annotations

from filterd.config.schema_rules import Tiers
from filterd.config.schema_search import DEFAULT, OFF, ON, Engine, SafeSearch
from filterd.core.policy import SafeChoice, SafeEngine, SafeMode, Service, Text

UNSAFE = "unsafe-search"  # the service that holds the engines without a safe mode


def engines(search: SafeSearch) -> tuple[SafeEngine, ...]:
    """Every engine, in the order of the file."""
    return tuple(_engine(ident, engine) for ident, engine in search.engines.items())


def choices(said: dict[str, str] | None, pupils: bool, search: SafeSearch) -> tuple[SafeChoice, ...]:
    """The mode of every engine that is on. `said`: the tier's map, or None where it has none."""
    said = {DEFAULT: ON if pupils else OFF} if said is None else said
    found = []
    for ident, engine in search.engines.items():
        word = said.get(ident, said.get(DEFAULT, ON))
        if word != OFF:
            found.append(SafeChoice(ident, word if word in engine.modes else next(iter(engine.modes))))
    return tuple(found)


def unsafe(search: SafeSearch, tiers: Tiers) -> tuple[Service, ...]:
    """The engines without a safe mode as one service, so that their category closes them; empty if none are named."""
    group = search.without_safe_mode
    if group is None:
        return ()
    name = tiers.categories[group.category].name
    return (Service(UNSAFE, Text(vi=name.vi, en=name.en), tuple(dict.fromkeys(group.names)), group.category),)


def _engine(ident: str, engine: Engine) -> SafeEngine:
    return SafeEngine(
        id=ident,
        name=Text(vi=engine.name.vi, en=engine.name.en),
        hosts=tuple(dict.fromkeys(engine.hosts)),
        modes=tuple(SafeMode(i, m.cname, tuple(m.ipv4), tuple(m.ipv6)) for i, m in engine.modes.items()),
        sources=tuple(engine.sources),
    )
