"""Commands as values: every role that changes something has a longest time and a rank."""

from __future__ import annotations

import pytest

from filterd.core.commands import LONGEST_S, RANK, Role


def test_a_district_only_reads_and_every_other_role_has_a_longest_time_and_a_rank() -> None:
    assert set(LONGEST_S) == set(RANK) == set(Role) - {Role.DISTRICT}


@pytest.mark.parametrize(("lower", "higher"), [(Role.TEACHER, Role.TECHNICIAN), (Role.TECHNICIAN, Role.HEAD)])
def test_who_ranks_higher_may_set_longer(lower: Role, higher: Role) -> None:
    assert RANK[lower] < RANK[higher]
    assert LONGEST_S[lower] < LONGEST_S[higher]
