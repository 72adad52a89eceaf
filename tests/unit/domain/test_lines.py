"""What a line of a provider's books is called."""

from shared.domain.lines import is_number, keys


def test_a_number_is_its_name_and_without_one_what_it_says() -> None:
    named = keys([("P-1", ("a",)), (None, ("b", 1)), (None, ("b", 2)), ("", ("b", 1))])
    assert named[0] == "P-1"
    assert [is_number(key) for key in named] == [True, False, False, False]
    assert len(set(named)) == 4
    assert named[1].removesuffix("-1") == named[3].removesuffix("-2"), "they say the same, and are two"


def test_a_name_stays_when_others_come_before_it() -> None:
    (one,) = keys([(None, ("b", 1))])
    assert keys([("P-9", ("x",)), (None, ("c", 1)), (None, ("b", 1))])[2] == one


def test_odd_texts_have_names() -> None:
    assert len(set(keys([(None, ("\ud800",)), (None, ("\x00",)), (None, (None,))]))) == 3
