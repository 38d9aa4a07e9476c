from filterd.config import names_plan
from filterd.core.policy import SchoolName

WHOLE = SchoolName("a.vn", True)
THCS = SchoolName("b.vn", False, ("thcs",), (), "why")
BOTH = SchoolName("b.vn", False, ("thcs", "thpt"))
NAMES = (WHOLE, THCS)


def test_a_new_entry_goes_to_the_end_of_its_list():
    new = SchoolName("c.vn", True)
    assert names_plan.with_entry(NAMES, new).names == (WHOLE, new, THCS)


def test_an_entry_that_is_there_needs_no_edit():
    plan = names_plan.with_entry(NAMES, SchoolName("b.vn", False, ("thcs",)))
    assert (plan.names, plan.edits, plan.gone) == (NAMES, (), ())


def test_a_new_reason_replaces_the_old_one():
    plan = names_plan.with_entry(NAMES, SchoolName("b.vn", False, ("thcs",), (), "because"))
    assert plan.names[1].reason == "because"
    assert len(plan.edits) == 1


def test_the_opposite_for_the_same_people_has_to_go():
    new = SchoolName("b.vn", True, ("thcs",))
    plan = names_plan.with_entry(NAMES, new)
    assert (plan.names, plan.gone) == ((WHOLE, new), (THCS,))


def test_the_opposite_for_other_people_stays():
    new = SchoolName("b.vn", True, ("thpt",))
    assert names_plan.with_entry(NAMES, new).names == (WHOLE, new, THCS)


def test_without_takes_every_entry_of_a_name():
    other = SchoolName("b.vn", True, (), ("7-3",))
    plan = names_plan.without((WHOLE, other, THCS), SchoolName("b.vn", True))
    assert (plan.names, plan.gone) == ((WHOLE,), (other, THCS))


def test_without_for_one_tier_leaves_the_others():
    plan = names_plan.without((WHOLE, BOTH), SchoolName("b.vn", True, ("thcs",)))
    assert plan.names == (WHOLE, SchoolName("b.vn", False, ("thpt",)))
    assert plan.gone == (SchoolName("b.vn", False, ("thcs",)),)


def test_without_for_a_tier_never_touches_an_entry_for_the_whole_school():
    plan = names_plan.without(NAMES, SchoolName("a.vn", True, ("thcs",)))
    assert (plan.names, plan.gone) == (NAMES, ())
