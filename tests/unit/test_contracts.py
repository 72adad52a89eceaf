"""The check of compatibility finds each kind of break, and lets through what breaks nobody."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.checks import contracts
from tests.checks.contracts import breaks, released, said_now
from tests.checks.narrower import Within, wider
from tests.support.fuzzing import fuzzed

NOW: Mapping[str, Any] = json.loads(json.dumps(said_now()))  # as it is kept
Change = Callable[[Any], object]

BREAKS: Mapping[str, tuple[str, Change, str]] = {
    # a producer: what was accepted is refused
    "a field has to be there": ("intent", lambda s: s["required"].append("notify"), "/notify"),
    "a field is gone": ("intent", lambda s: s["properties"].pop("metadata"), "/metadata"),
    "a pattern is narrower": ("intent", lambda s: s["properties"]["source"].update(pattern="^[a-z]$"), "/source"),
    "a text may be shorter only": ("intent", lambda s: s["properties"]["paid_at"].update(maxLength=30), "/paid_at"),
    "a text has to be longer": ("intent", lambda s: s["properties"]["amount"].update(minLength=2), "/amount"),
    "a type is another one": ("intent", lambda s: s["properties"]["amount"].update(type="number"), "/amount"),
    "a provider is gone": ("intent", lambda s: s["properties"]["provider"]["enum"].remove("mtn"), "/provider: 'mtn'"),
    "null is not taken": ("intent", lambda s: s["properties"]["notify"]["anyOf"].pop(), "/notify"),
    "a number may be smaller only": (
        "intent",
        lambda s: s["$defs"]["ubill_target"]["properties"]["account_id"].update(maximum=10),
        "/target/account_id: maximum",
    ),
    "a target has a field that has to be there": (
        "intent",
        lambda s: s["$defs"]["mtn_target"]["required"].append("bill_number"),
        "/target/bill_number",
    ),
    "an inner object is closed": (
        "intent",
        lambda s: s["properties"]["metadata"]["anyOf"][0].update(additionalProperties=False),
        "/metadata: any other key",
    ),
    "a new rule": (
        "intent",
        lambda s: s["allOf"].append(
            {"if": {"properties": {"operation": {"const": "refund"}}}, "then": {"required": ["metadata"]}}
        ),
        "/metadata",
    ),
    "a keyword that nobody knows": ("intent", lambda s: s["properties"]["amount"].update(format="money"), "format"),
    # a consumer: what is told could be something that it never was
    "a row lost a key": ("export", lambda s: s["properties"].pop("attempts"), "/attempts"),
    "a key of a row may be missing": ("export", lambda s: s["required"].remove("attempts"), "/attempts"),
    "a key of a row is another type": (
        "export",
        lambda s: s["properties"]["attempts"].update(type="string"),
        "/attempts",
    ),
    "a key of a row may be null": (
        "export",
        lambda s: s["properties"].update(currency={"anyOf": [s["properties"]["currency"], {"type": "null"}]}),
        "/currency",
    ),
    "a state is new": ("export", lambda s: s["$defs"]["State"]["enum"].append("lost"), "/state: 'lost'"),
    "a word is gone": ("export", lambda s: s["properties"]["code"]["examples"].pop(), "the word decided"),
    "an event's data lost a key": ("event", lambda s: s["$defs"]["payment"]["properties"].pop("state"), "/data/state"),
    "an event's data is told of nowhere": ("event", lambda s: s["allOf"].pop(0), "/data"),
    "a list holds something else": (
        "event",
        lambda s: s["$defs"]["reconciliation"]["properties"]["sums"].update(items={"type": "string"}),
        "/data/sums/*",
    ),
    "a type of event is gone": ("event", lambda s: s["properties"]["type"]["examples"].pop(0), "payment.accepted"),
    "an id is a number": ("event", lambda s: s["properties"]["id"].update(type="integer"), "/id"),
    # both
    "a stream is called otherwise": ("asyncapi", lambda s: s["channels"]["events"].update(address="x"), "is gone"),
    "a message is gone": ("asyncapi", lambda s: s["channels"]["events"]["messages"].popitem(), "message"),
    # HTTP
    "a path is gone": ("openapi", lambda s: s["paths"].pop("/v1/events"), "GET /v1/events is gone"),
    "a method is gone": ("openapi", lambda s: s["paths"]["/v1/intents"].pop("post"), "POST /v1/intents is gone"),
    "a parameter has to be there": (
        "openapi",
        lambda s: s["paths"]["/v1/payments"]["get"]["parameters"].append(
            {"name": "since", "in": "query", "required": True, "schema": {}}
        ),
        "since: it has to be there",
    ),
    "a parameter is gone": ("openapi", lambda s: s["paths"]["/v1/payments"]["get"]["parameters"].pop(0), "it is gone"),
    "a parameter takes less": (
        "openapi",
        lambda s: s["paths"]["/v1/payments"]["get"]["parameters"][1]["schema"].update(maximum=50),
        "limit",
    ),
    "a body takes less": (
        "openapi",
        lambda s: s["components"]["schemas"]["Intent"]["required"].append("notify"),
        "POST /v1/intents body",
    ),
    "an answer is gone": (
        "openapi",
        lambda s: s["paths"]["/v1/intents"]["post"]["responses"].pop("207"),
        "the answer 207 is gone",
    ),
    "an answer lost a key": (
        "openapi",
        lambda s: s["components"]["schemas"]["Taken"]["properties"].pop("duplicate"),
        "answer 202 /duplicate",
    ),
    "an answer of another kind": (
        "openapi",
        lambda s: s["paths"]["/v1/events"]["get"]["responses"]["200"].update(content={"text/plain": {}}),
        "is not application/json",
    ),
}
FINE: Mapping[str, tuple[str, Change]] = {
    "a field that may be left out": ("intent", lambda s: s["properties"].update(colour={"type": "string"})),
    "a field need not be there": ("intent", lambda s: s["required"].remove("currency")),
    "a longer text": ("intent", lambda s: s["properties"]["paid_at"].update(maxLength=100)),
    "a new provider": (
        "intent",
        lambda s: (
            s["properties"]["provider"]["enum"].append("acme"),
            s["allOf"].append(
                {"if": {"properties": {"provider": {"const": "acme"}}}, "then": {"required": ["metadata"]}}
            ),
        ),
    ),
    "a row has a new key": ("export", lambda s: s["properties"].update(colour={"type": "string"})),
    "a key is always there": ("export", lambda s: s["required"].append("code")),
    "a new word": ("export", lambda s: s["properties"]["code"]["examples"].append("new")),
    "a new type of event": (
        "event",
        lambda s: (
            s["properties"]["type"]["examples"].append("settlepipe.day.over"),
            s["allOf"].append({"if": {"properties": {"type": {"pattern": "day"}}}, "then": {}}),
        ),
    ),
    "a state that is told no more": ("export", lambda s: s["$defs"]["State"]["enum"].remove("waiting")),
    "a new path": ("openapi", lambda s: s["paths"].update({"/v1/new": {"get": {"responses": {}}}})),
    "an answer has a new key": (
        "openapi",
        lambda s: s["components"]["schemas"]["Taken"]["properties"].update(colour={"type": "string"}),
    ),
    "a new answer": ("openapi", lambda s: s["paths"]["/v1/events"]["get"]["responses"].update({"204": {}})),
    "a parameter that may be left out": (
        "openapi",
        lambda s: s["paths"]["/v1/events"]["get"]["parameters"].append(
            {"name": "since", "in": "query", "required": False, "schema": {}}
        ),
    ),
    "other prose": ("event", lambda s: s.update(description="another")),
}


def changed(name: str, change: Change) -> Mapping[str, Any]:
    later = copy.deepcopy(dict(NOW))
    change(later[name])
    return later


def test_nothing_that_the_last_release_told_or_took_is_broken() -> None:
    assert breaks(released(), NOW) == []


@pytest.mark.parametrize("case", BREAKS)
def test_a_break_is_found(case: str) -> None:
    name, change, said = BREAKS[case]
    found = breaks(NOW, changed(name, change))
    assert any(said in one for one in found), found


@pytest.mark.parametrize("case", FINE)
def test_what_breaks_nobody_is_let_through(case: str) -> None:
    name, change = FINE[case]
    assert breaks(NOW, changed(name, change)) == []


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ({"type": "integer"}, {"type": "number"}),
        ({"const": 3}, {"type": "integer", "minimum": 3}),
        ({"anyOf": [{"type": "null"}, {"enum": ["a"]}]}, {"type": ["string", "null"]}),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 3}, {"type": "array", "items": {}, "maxItems": 3}),
        ({"$ref": "#/$defs/a"}, {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/a"}]}),
        (False, {"type": "string"}),
    ],
)
def test_one_schema_is_within_another_and_not_the_other_way_round(inner: Any, outer: Any) -> None:
    document = {"$defs": {"a": {"type": "string", "maxLength": 2}}}
    assert list(wider(Within(inner, document), Within(outer, document))) == []
    assert list(wider(Within(outer, document), Within(inner, document))) != []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "ab", "b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)


def _plain() -> st.SearchStrategy[Any]:
    texts = st.fixed_dictionaries({"type": st.just("string")}, optional={"maxLength": st.integers(0, 2)})
    numbers = st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={"minimum": st.integers(-3, 3), "exclusiveMaximum": st.integers(-3, 3)},
    )
    patterns = st.fixed_dictionaries({"type": st.just("string"), "pattern": st.sampled_from(["^a", "b$"])})
    listed = st.lists(VALUES, min_size=1, max_size=3).map(lambda found: {"enum": found})
    return texts | numbers | patterns | listed | VALUES.map(lambda one: {"const": one}) | st.booleans() | st.just({})


def _composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from("xyz")
    objects = st.fixed_dictionaries(
        {"type": st.just("object")},
        optional={
            "properties": st.dictionaries(names, inner, max_size=2),
            "required": st.lists(names, max_size=2, unique=True),
            "additionalProperties": inner,
        },
    )
    lists = st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"maxItems": st.integers(0, 2)})
    rule = st.fixed_dictionaries(
        {
            "if": st.fixed_dictionaries(
                {"properties": st.dictionaries(names, VALUES.map(lambda one: {"const": one}), min_size=1, max_size=1)}
            ).map(lambda found: found | {"required": list(found["properties"])}),
            "then": objects,
        }
    )
    ruled = st.builds(lambda one, rules: one | {"allOf": rules}, objects, st.lists(rule, min_size=1, max_size=2))
    return objects | lists | ruled | st.lists(inner, min_size=1, max_size=2).map(lambda found: {"anyOf": found})


SCHEMAS = st.recursive(_plain(), _composed, max_leaves=5)


@fuzzed(400)
@given(SCHEMAS, SCHEMAS, st.lists(VALUES, max_size=20))
def test_where_nothing_is_found_nothing_more_is_allowed(inner: Any, outer: Any, values: list[Any]) -> None:
    for one, other in ((inner, outer), (inner, {"anyOf": [outer, inner]}), ({"allOf": [inner]}, inner)):
        if list(wider(Within(one, {}), Within(other, {}))) == []:
            mine, theirs = Draft202012Validator(one), Draft202012Validator(other)
            assert [value for value in values if mine.is_valid(value) and not theirs.is_valid(value)] == []


def test_a_break_ends_the_check_with_a_failure_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["contracts"])
    assert contracts.main() == 0
    monkeypatch.setattr(contracts, "said_now", lambda: changed("export", lambda s: s["properties"].pop("attempts")))
    assert contracts.main() == 1
    assert "consumer: export /attempts" in capsys.readouterr().out
