"""References: never used twice, and damage is noticed."""

import itertools

import pytest

from shared.domain.reference import _ALPHABET, is_reference, new_reference

SAMPLES = [new_reference() for _ in range(20)]


def test_a_new_reference_is_20_characters_of_the_alphabet_and_one_of_ours() -> None:
    for reference in SAMPLES:
        assert len(reference) == 20
        assert set(reference) <= set(_ALPHABET)
        assert is_reference(reference)


def test_references_do_not_repeat() -> None:
    many = [new_reference() for _ in range(20_000)]
    assert len(set(many)) == len(many)


@pytest.mark.parametrize("reference", SAMPLES, ids=range(len(SAMPLES)))
def test_every_single_wrong_character_is_found(reference: str) -> None:
    for place, wrong in itertools.product(range(20), _ALPHABET):
        if wrong != reference[place]:
            assert not is_reference(reference[:place] + wrong + reference[place + 1 :])


@pytest.mark.parametrize("reference", SAMPLES, ids=range(len(SAMPLES)))
def test_every_swap_of_two_different_characters_is_found(reference: str) -> None:
    for one, two in itertools.combinations(range(20), 2):
        characters = list(reference)
        characters[one], characters[two] = characters[two], characters[one]
        if reference[one] != reference[two]:
            assert not is_reference("".join(characters))


@pytest.mark.parametrize(
    "text",
    ["", SAMPLES[0][:-1], SAMPLES[0] + "0", SAMPLES[0].upper(), " " + SAMPLES[0][1:]],
    ids=["empty", "cut", "longer", "upper", "blank"],
)
def test_what_was_cut_or_mangled_is_not_ours(text: str) -> None:
    assert not is_reference(text)
