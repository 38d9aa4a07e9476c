import typing

import pytest
from pydantic import ValidationError

from filterd.config.schema_sources import Covers, Format, SourceModel
from filterd.core import source
from filterd.core.rules.formats import FORMATS
from filterd.core.rules.model import COVERS_NAMES

LEAST = {"id": "x", "name": "X", "url": "https://example.org/x", "category": "adult", "licence": "MIT"}


def test_formats_and_covers_are_those_of_the_core():
    assert typing.get_args(Format) == ("auto", *FORMATS)
    assert typing.get_args(Covers) == COVERS_NAMES


def test_limits_are_percentages_with_the_defaults_of_the_core():
    assert SourceModel.model_validate(LEAST).max_grow == source.Source.__dataclass_fields__["max_grow"].default
    assert SourceModel.model_validate({**LEAST, "max_shrink": "5%"}).max_shrink == 0.05
    with pytest.raises(ValidationError, match="101% is out of range; 0% to 100% is"):
        SourceModel.model_validate({**LEAST, "max_shrink": "101%"})


def test_a_source_without_a_licence_is_refused():
    with pytest.raises(ValidationError, match="licence"):
        SourceModel.model_validate({key: value for key, value in LEAST.items() if key != "licence"})
