import pytest
from pydantic import ValidationError

from filterd.config.schema_rules import FloorFile, Names, Profile, Service, Tier

TEXT = {"vi": "Một", "en": "One"}


def test_a_bare_name_is_an_entry_for_the_whole_school():
    (entry,) = Names.model_validate({"allow": ["*.Example.com"]}).allow
    assert (entry.name, entry.tiers, entry.classes, entry.reason) == ("example.com", [], [], None)


def test_an_emptied_list_is_an_empty_list():
    assert Names.model_validate({"allow": None, "block": None}) == Names()
    assert FloorFile.model_validate({"categories": [], "must_allow": None}).must_allow == []


@pytest.mark.parametrize("grades", ["1-5", "6-9", "12"])
def test_grades_are_a_range(grades):
    assert Tier.model_validate({"name": TEXT, "pupils": True, "block": [], "grades": grades}).grades == grades


@pytest.mark.parametrize("grades", ["5-1", "0-5", "1-13", "một", "-"])
def test_grades_outside_the_school_are_refused(grades):
    with pytest.raises(ValidationError, match="is not a range of grades"):
        Tier.model_validate({"name": TEXT, "pupils": True, "block": [], "grades": grades})


def test_whether_a_tier_is_of_pupils_must_be_said():
    with pytest.raises(ValidationError, match="pupils"):
        Tier.model_validate({"name": TEXT, "block": []})


def test_a_profile_may_say_nothing_but_its_name():
    found = Profile.model_validate({"name": TEXT})
    assert (found.allow, found.block, found.allow_list_only) == (None, None, False)


def test_a_service_without_names_is_refused():
    with pytest.raises(ValidationError, match="at least 1 item"):
        Service.model_validate({"name": TEXT, "names": []})
