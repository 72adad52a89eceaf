"""References: one intent has one for ever, no two have the same, and damage is noticed."""

import itertools

import pytest

from shared.domain.reference import _ALPHABET, fingerprint, is_reference, reference

KEY = b"made-up-key-of-references-for-tests"
SAMPLES = [reference(KEY, "shop", f"ord-{number}") for number in range(20)]


def test_a_reference_is_20_characters_of_the_alphabet_and_one_of_ours() -> None:
    for sample in SAMPLES:
        assert len(sample) == 20
        assert set(sample) <= set(_ALPHABET)
        assert is_reference(sample)


def test_references_do_not_repeat() -> None:
    many = [reference(KEY, source, str(number)) for number in range(10_000) for source in ("shop", "bank")]
    assert len(set(many)) == len(many)


def test_the_same_intent_has_the_same_reference_in_every_version_of_this_program() -> None:
    """What a payment was sent under has to be found again: this text may never change."""
    assert reference(KEY, "shop", "ord-1") == "he1b35frdcx35c4vbkfq"


def test_another_key_makes_another_reference_and_another_fingerprint() -> None:
    other = KEY + b"!"
    assert reference(other, "shop", "ord-1") != reference(KEY, "shop", "ord-1")
    assert fingerprint(other) != fingerprint(KEY)
    assert fingerprint(KEY) not in KEY.decode()


def test_names_are_told_apart_wherever_one_ends_and_the_other_begins() -> None:
    pairs = [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc")]
    assert len({reference(KEY, source, intent_id) for source, intent_id in pairs}) == len(pairs)


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
