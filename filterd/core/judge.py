"""Whether a list that came may take the place of the last good copy: a comparison of figures, and a sentence about it.

The measure is always the last copy that was taken, never the last download: a list that collapsed and then grows a
little every day stays held. What is no list at all is refused by whoever reads it (`unfit` words that); what looks
like one and is out of bounds waits for a person. Pure: `update` makes the figures, `store` keeps what is decided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from filterd.core.source import Source
from filterd.core.updates import Figures, Judgement, Outcome, Why

COUNT_TOLERANCE: Final = 0.03  # real lists differ from what they declare by at most 0.007
COUNT_SLACK: Final = 2  # entries, however few there are
MAX_SHARE_LOSS: Final = 0.10  # of the lines that are rules
MIN_SHARE: Final = 0.50  # of a first copy
FEW_EXCEPTIONS: Final = 20  # so many may come and go
_ROUNDING: Final = 1e-9

_Finding = tuple[Outcome, Why, str]


def judge(source: Source, new: Figures, good: Figures | None, stays: str = "the last good copy") -> Judgement:
    """Compare a new copy with the last good one (None: there is none, only what the source and the list say counts).

    `stays` is what the sentence calls the copy that stays in use, such as `the copy of 2026-06-20`. The first finding
    decides; the sentence names them all.
    """
    seen = f"has {new.entries:,} entries"
    if good is not None and good.entries:
        seen += f", the last good copy {good.entries:,} ({_change(new.entries, good.entries)})"
    found = list(_findings(source, new, good))
    if not found:
        return Judgement(Outcome.TAKEN, text=seen)
    outcome, why, _ = found[0]
    return _decided(outcome, why, "; ".join([seen, *(text for _, _, text in found)]), good is not None, stays)


def unfit(text: str, why: str, has_good: bool, stays: str = "the last good copy") -> Judgement:
    """What becomes of a file that could not be read as the list it should be; `text` and `why` are of its ListError.

    A category that is gone from its archive may have been renamed: that waits for a person, the archive with it.
    """
    reason = Why(why)
    outcome = Outcome.REFUSED
    if reason is Why.MEMBER:
        outcome = Outcome.HELD
    elif reason in (Why.DISK, Why.MISSING):
        outcome = Outcome.FAILED
    return _decided(outcome, reason, text, has_good, stays)


def thinned(source: Source, rules: int, before: int, stays: str = "the last good copy") -> Judgement | None:
    """A copy with as many lines as ever that say less: `rules` are its distinct ones, `before` those of the last copy.

    None where it is within bounds. What it may lose is what it may lose in lines.
    """
    halved = 2 * rules < before
    if not halved and rules >= before * (1 - source.max_shrink) - _ROUNDING * before:
        return None
    change = _change(rules, before)
    text = f"has {rules:,} different rules, the last good copy {before:,} ({change}), however many lines it has"
    return _decided(Outcome.HELD, Why.HALVED if halved else Why.SHRUNK, text, True, stays)


def _decided(outcome: Outcome, why: Why, text: str, has_good: bool, stays: str) -> Judgement:
    rest = f"{stays} stays in use" if has_good else "there is no copy of it in use"
    return Judgement(outcome, why, f"{text}: {outcome.value}; {rest}")


def _findings(source: Source, new: Figures, good: Figures | None) -> Iterator[_Finding]:
    """What speaks against the new copy, the worst first."""
    if not new.entries and source.min_entries:
        said = f", though it says that it has {new.declared:,}" if new.declared else ""
        yield Outcome.REFUSED, Why.EMPTY, f"nothing in its {new.lines:,} lines blocks a name{said}"
        return
    lacking = _lacking(new)
    if lacking > COUNT_TOLERANCE and (good is None or lacking > _lacking(good) + COUNT_TOLERANCE):
        yield Outcome.REFUSED, Why.COUNT, f"it says itself that it has {new.declared:,}, so it was cut off"
    if new.entries < source.min_entries:
        yield Outcome.REFUSED, Why.TOO_FEW, f"at least {source.min_entries:,} are expected (min_entries)"
    if good is not None:
        yield from _against(source, new, good)
    elif new.entries and _share(new) < MIN_SHARE:
        text = f"only {_percent(_share(new))} of its lines are rules ({new.format}), {_percent(MIN_SHARE)} are expected"
        yield Outcome.HELD, Why.SHARE, text


def _against(source: Source, new: Figures, good: Figures) -> Iterator[_Finding]:
    """What the comparison says, the worst first."""
    if good.entries and not new.entries:
        yield Outcome.HELD, Why.EMPTY, "a list that becomes empty is never taken unasked"
        return
    halved = 2 * new.entries < good.entries
    if halved:
        yield Outcome.HELD, Why.HALVED, "less than half is never taken unasked"
    if _share(good) - _share(new) > MAX_SHARE_LOSS:
        text = (
            f"{_percent(_share(new))} of its lines are rules ({new.format}), of the good copy {_percent(_share(good))}"
        )
        yield Outcome.HELD, Why.SHARE, text
    rounding = _ROUNDING * good.entries
    if not halved and new.entries < good.entries * (1 - source.max_shrink) - rounding:
        yield Outcome.HELD, Why.SHRUNK, f"at most {_percent(source.max_shrink)} fewer are expected (max_shrink)"
    if good.entries and new.entries > good.entries * (1 + source.max_grow) + rounding:
        yield Outcome.HELD, Why.GREW, f"at most {_percent(source.max_grow)} more are expected (max_grow)"
    yield from _exceptions(source, new, good)
    if good.declared is not None and _agrees(good) and not _agrees(new) and not _lacking(new):
        yield Outcome.HELD, Why.COUNT, f"it says itself that it has {new.declared:,}, and the good copy said rightly"


def _exceptions(source: Source, new: Figures, good: Figures) -> Iterator[_Finding]:
    """Rules that take away: many more of them empty a list as well; without them it blocks what it used to spare."""
    text = f"it has {new.exceptions:,} exceptions, the good copy {good.exceptions:,}"
    more = new.exceptions - good.exceptions
    if good.entries and more > max(FEW_EXCEPTIONS, good.entries * source.max_shrink):
        yield Outcome.HELD, Why.SHRUNK, f"{text}: they take away from what it blocks"
    if good.exceptions >= FEW_EXCEPTIONS and 2 * new.exceptions < good.exceptions:
        yield Outcome.HELD, Why.GREW, f"{text}: it would block what it spared"


def _share(figures: Figures) -> float:
    """The share of rules among the lines that ought to be some."""
    rules = figures.entries + figures.exceptions
    return rules / (rules + figures.refused) if rules else 0.0


def _counts(figures: Figures) -> list[int]:
    """What a list may have counted in its header: rules of one kind, all of them, or those we refuse as well."""
    rules = figures.entries + figures.exceptions
    counts = [figures.entries, rules, rules + figures.refused]
    if figures.entries > figures.lines:
        counts.append(figures.lines)  # several names a line
    if figures.format == "rpz":
        counts.append(figures.entries // 2)  # x and *.x are one name there
    return counts


def _agrees(figures: Figures) -> bool:
    """Whether what is there fits the declared count, as it does where none is declared."""
    declared = figures.declared
    if declared is None:
        return True
    allowed = max(COUNT_SLACK, COUNT_TOLERANCE * declared)
    return any(abs(count - declared) <= allowed for count in _counts(figures))


def _lacking(figures: Figures) -> float:
    """The share of the declared entries that are not there; 0 where none are declared or the count fits."""
    if not figures.declared or _agrees(figures):
        return 0.0
    return max(0.0, 1 - max(_counts(figures)) / figures.declared)


def _change(new: int, good: int) -> str:
    share = (new - good) / good
    return f"{100 * share:+.1f} %" if abs(share) < 0.3 else f"{100 * share:+,.0f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
