import datetime

import pytest
from pydantic import ValidationError

from filterd.config.schema_people import Contact, PlaceModel

CONTACT = {
    "id": "tong-dai-111",
    "name": {"vi": "Tổng đài 111", "en": "Helpline 111"},
    "owner": {"vi": "Bộ Y tế", "en": "Ministry of Health"},
    "scope": "national",
    "verified_on": "2026-11-01",
}


def test_a_class_is_learning_unless_it_says_otherwise():
    place = PlaceModel.model_validate({"id": "7-3", "name": "7/3", "tier": "thcs"})
    assert (place.profile, place.enforce, place.subnets) == ("learning", "block", [])


def test_a_contact_says_when_it_was_verified():
    assert Contact.model_validate(CONTACT).verified_on == datetime.date(2026, 11, 1)


def test_a_contact_may_say_that_nobody_verified_it_but_not_keep_silent():
    assert Contact.model_validate({**CONTACT, "verified_on": None}).verified_on is None
    silent = {key: value for key, value in CONTACT.items() if key != "verified_on"}
    with pytest.raises(ValidationError, match="verified_on"):
        Contact.model_validate(silent)


def test_a_contact_reaches_as_far_as_one_of_three():
    with pytest.raises(ValidationError, match="'national', 'local' or 'school'"):
        Contact.model_validate({**CONTACT, "scope": "world"})
