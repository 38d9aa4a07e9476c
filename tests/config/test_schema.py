import inspect

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from filterd.config import (
    schema,
    schema_dns,
    schema_local,
    schema_people,
    schema_rules,
    schema_school,
    schema_search,
    schema_sources,
    units,
)

MODULES = (schema, schema_dns, schema_local, schema_people, schema_rules, schema_school, schema_search, schema_sources)
MODELS = sorted(
    {
        model
        for module in MODULES
        for _, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, schema.Strict)
    },
    key=lambda model: model.__name__,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_says_what_it_does(model: type[BaseModel]):
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name} has no docstring"
        if not field.is_required():
            told = "efault" in field.description
            assert told, f"{model.__name__}.{name} has a default its docstring does not tell"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_refuses_unknown_keys_and_guessing(model: type[BaseModel]):
    assert model.model_config["extra"] == "forbid"
    assert model.model_config["strict"] is True


def test_both_languages_are_required():
    with pytest.raises(ValidationError, match="en"):
        schema.Bilingual.model_validate({"vi": "Học"})


@pytest.mark.parametrize(
    "text", ["", "   ", "a\x07b", "x" * 401, "a\u202eb"], ids=["empty", "blank", "bell", "long", "rtl"]
)
def test_a_text_is_one_that_can_be_shown(text):
    with pytest.raises(ValidationError):
        TypeAdapter(schema.Line).validate_python(text)


def test_a_folded_text_loses_its_outer_line_ends():
    assert TypeAdapter(schema.Line).validate_python("một\nhai\n") == "một\nhai"


def test_between_speaks_in_the_units_of_the_file():
    check = schema.between(units.duration, "1s", "24h").func
    assert check("15m") == 900  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="7d is out of range; 1s to 24h is"):
        check("7d")  # type: ignore[call-arg]
