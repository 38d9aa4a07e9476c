"""List text to rules, one module per format, with an error budget.

`parse` is the entrance, `count` the one for those who only need figures; `formats` knows them all; `keys` turns what
a list wrote into a key or a reason to refuse it.
Pure: bytes come in, rules and a report go out.
"""

from filterd.core.rules.formats import FORMATS, detect
from filterd.core.rules.model import BELOW, EXACT, EXCEPTION, SUBTREE, Kind, Rule
from filterd.core.rules.parse import count, parse
from filterd.core.rules.report import Report, Sample
from filterd.core.rules.suffixes import Suffixes

__all__ = [
    "BELOW",
    "EXACT",
    "EXCEPTION",
    "FORMATS",
    "SUBTREE",
    "Kind",
    "Report",
    "Rule",
    "Sample",
    "Suffixes",
    "count",
    "detect",
    "parse",
]
