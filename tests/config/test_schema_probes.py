import pytest
from pydantic import ValidationError

from filterd.config.schema_probes import Probes

TEXT = {"vi": "Một", "en": "One"}
GROUP = {"id": "one", "name": TEXT, "names": ["a.example"]}


def test_all_of_it_may_be_left_out():
    assert Probes.model_validate({}) == Probes.model_validate({"must_resolve": None, "must_block": None})


def test_names_are_brought_into_their_normal_form():
    found = Probes.model_validate({"quality": [{**GROUP, "names": ["WWW.Bücher.Example."]}]})
    assert found.quality[0].names == ["www.xn--bcher-kva.example"]


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"must_resolve": [{**GROUP, "names": []}]}, "at least 1 item"),
        ({"must_resolve": [{**GROUP, "names": ["https://a.example/x"]}]}, "is a URL; write the name only: a.example"),
        ({"must_resolve": [{**GROUP, "names": ["=a.example"]}]}, "is not a domain name"),
        ({"must_resolve": [{**GROUP, "names": ["192.0.2.1"]}]}, "is an address; names only"),
        ({"must_resolve": [{**GROUP, "id": "Một nhóm"}]}, "is not an id"),
        ({"must_block": [{"names": ["a.example"]}]}, "category"),
        ({"quality": [{**GROUP, "unless": ["chat"]}]}, "Extra inputs"),
    ],
    ids=["no names", "url", "exact mark", "address", "id", "no category", "unless in quality"],
)
def test_what_it_refuses(said, what):
    with pytest.raises(ValidationError, match=what):
        Probes.model_validate(said)
