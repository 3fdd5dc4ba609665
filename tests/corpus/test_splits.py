from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from corpus.splits import HELD_OUT, SPLITS, deal, missing

MEMBERS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abcd")), min_size=1, max_size=60)


def _splits_by_family(members, splits):
    present = defaultdict(set)
    for group, family in members:
        present[family].add(splits[group])
    return present


@given(st.dictionaries(st.integers(0, 60), st.sampled_from("abcd"), min_size=1), st.integers(0, 5))
def test_a_family_of_three_groups_of_its_own_is_in_every_split(family_of_group, seed):
    members = list(family_of_group.items())
    present = _splits_by_family(members, deal(members, seed))
    for family in set(family_of_group.values()):
        groups = list(family_of_group.values()).count(family)
        assert len(present[family]) == min(groups, len(SPLITS))


@given(MEMBERS, st.integers(0, 5))
def test_every_group_has_a_split_and_every_family_is_trained_on(members, seed):
    splits = deal(members, seed)
    assert set(splits) == {group for group, _ in members}
    assert all("train" in present for present in _splits_by_family(members, splits).values())


@given(MEMBERS, st.integers(0, 5))
def test_missing_names_exactly_the_splits_without_a_family(members, seed):
    splits = deal(members, seed)
    absent = missing(members, splits)
    for family, present in _splits_by_family(members, splits).items():
        assert set(absent.get(family, [])) == set(SPLITS) - present


def test_held_out_splits_get_about_their_share():
    members = [(number, "a") for number in range(100)]
    dealt = list(deal(members, seed=0).values())
    assert {split: dealt.count(split) / 100 for split in HELD_OUT} == HELD_OUT


def test_the_bulk_of_a_family_stays_in_train():
    members = [(0, "a")] * 20 + [(1, "a"), (2, "a")]
    assert deal(members, seed=0)[0] == "train"


def test_the_seed_chooses_who_is_held_out():
    members = [(number, "a") for number in range(10)]
    dealt = [tuple(deal(members, seed).items()) for seed in (0, 0, 1, 2, 3)]
    assert dealt[0] == dealt[1]
    assert len(set(dealt)) > 1
