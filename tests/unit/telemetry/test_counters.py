"""What a process counts, as Prometheus reads it."""

from prometheus_client.parser import text_string_to_metric_families

from shared.telemetry import counters


def _told() -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(counters.page())
        for sample in family.samples
    }


def test_an_attempt_is_counted_by_what_it_meant_and_timed_where_it_made_a_call() -> None:
    counters.attempt("counted", "settle", "succeeded", 0.3)
    counters.attempt("counted", "settle", "succeeded", 40.0)
    counters.attempt("counted", "settle", "not_sent", 0)
    told = _told()
    assert told["settlepipe_attempts_total", "succeeded", "settle", "counted"] == 2
    assert told["settlepipe_attempts_total", "not_sent", "settle", "counted"] == 1
    buckets = {key[1:]: value for key, value in told.items() if key[0] == "settlepipe_call_seconds_bucket"}
    mine = {le: value for (le, _, provider), value in buckets.items() if provider == "counted"}
    assert (mine["0.25"], mine["0.5"], mine["60.0"], mine["+Inf"]) == (0, 1, 2, 2)
    assert not any(name.endswith("_created") for name, *_ in told)
