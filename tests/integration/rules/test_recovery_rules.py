"""A database that is older than the world is noticed, held, and recovered with what upstream was told."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.archive.retire import retire
from shared.database import store
from shared.database.store import HeldError, Seen
from shared.decide.approve import approve
from shared.domain.payment import HoldReason, State
from shared.domain.request import Hold, Request
from shared.events import feed, outbox
from shared.messaging import broker, events_stream
from shared.payments.release import release_directory_holds, release_refunds
from shared.payments.store import release as release_store
from shared.people.proposals import Proposal
from shared.people.prove import NotAllowed
from shared.recovery import recover as verbs
from shared.recovery.beat import beat
from shared.recovery.recover import NotRecovered, Recovered
from shared.recovery.window import open_window
from shared.witness import Remembered, Witnesses
from tests.integration.rules.test_pair_rules import near, parked
from tests.integration.rules.test_pair_rules import seen as looked
from tests.support.decided import decide
from tests.support.flow import ABSENT, LOOK, NO, OK, World
from tests.support.two_people import set_up


@pytest.fixture
def client(broker_url: str) -> Iterator["redis.Redis"]:
    with broker.connect(broker_url) as client:
        yield client


@pytest.fixture
def witnesses(tmp_path: Path, client: "redis.Redis") -> Witnesses:
    return Witnesses(tmp_path, client)


def relay(world: World, client: "redis.Redis") -> None:
    """Carry what is pending, as the relay does."""
    with world.runtime.database.connection() as connection:
        batch = outbox.pending(connection, 10_000)
        if batch:
            entry_id = events_stream.publish(client, batch, 604_800)
            assert entry_id is not None
            outbox.carried(connection, batch, entry_id)


@pytest.fixture
def _people(world: World) -> None:
    set_up(world)


@pytest.fixture
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command remembers on disk goes here."""
    monkeypatch.chdir(tmp_path)


def window(world: World) -> None:
    with world.runtime.database.transaction() as connection:
        since = world.value("SELECT clock()")
        open_window(world.runtime, connection, since, by="Ann", reason="a test", unbroken=True)


TABLES = ("payments", "attempts", "checks", "events", "follow_ups", "resolutions", "intent_keys", "quarantine")


class Backup:
    """What a backup holds of the flow; put back, the database is as it was then, and the world is not."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rows = {name: world.rows(f"SELECT row_to_json(t)::text AS row FROM {name} t") for name in TABLES}
        self._store = world.rows("SELECT row_to_json(t)::text AS row FROM store t")[0]["row"]
        self._relayed = world.rows("SELECT entry_id FROM relay_position")
        self._next = world.value("SELECT last_value FROM payment_ids")

    def put_back(self) -> None:
        execute = self._world.execute
        with self._world.connection.transaction():
            execute("SET LOCAL session_replication_role = replica")
            for name in reversed(TABLES):
                execute(f"DELETE FROM {name}")
            for name in TABLES:
                for row in self._rows[name]:
                    columns = self._world.value(
                        """SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
                        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''""",
                        name,
                    )
                    execute(
                        f"INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns}"
                        f" FROM json_populate_record(NULL::{name}, %s::json)",
                        row["row"],
                    )
            execute("DELETE FROM store")
            execute("INSERT INTO store SELECT * FROM json_populate_record(NULL::store, %s::json)", self._store)
            execute("DELETE FROM relay_position")
            for row in self._relayed:
                execute("INSERT INTO relay_position (entry_id) VALUES (%s)", row["entry_id"])
            execute("SELECT setval('payment_ids', %s)", self._next)


def recovered(world: World, client: "redis.Redis", witnesses: Witnesses) -> Recovered:
    plan = verbs.plan(world.runtime, client, None)
    return verbs.recover(world.runtime, witnesses, plan, "somebody")


def held(world: World) -> str | None:
    reason: str | None = world.value("SELECT held_reason FROM store")
    return reason


def tick(world: World, witnesses: Witnesses) -> bool:
    """A second later, the database is judged."""
    world.advance(1)
    return beat(world.runtime, witnesses)


def test_a_database_that_goes_on_is_let_go_on_and_its_witnesses_are_told(world: World, witnesses: Witnesses) -> None:
    assert tick(world, witnesses)
    first = world.value("SELECT installation::text FROM store")
    assert tick(world, witnesses)
    assert world.value("SELECT installation::text FROM store") == first
    told = witnesses.read(first)
    assert [one.standing.beat for one in told] == [2, 2], "the broker and HOME"
    assert beat(world.runtime, witnesses), "within the same second nothing is written"
    assert world.value("SELECT beat FROM store") == 2


class Slow(Witnesses):
    """Witnesses that are read by one process while a person recovers the store by another."""

    meanwhile: Callable[[], object] = int

    def read(self, installation: str) -> list[Remembered]:
        found = super().read(installation)
        self.meanwhile()
        return found


def test_who_judges_a_recovered_store_by_what_was_remembered_before_does_not_hold_it_again(
    world: World, witnesses: Witnesses, client: "redis.Redis", tmp_path: Path
) -> None:
    """A folder that is put back where it was ends before what was seen, at the same place."""
    assert tick(world, witnesses)
    with world.runtime.database.connection() as connection:
        found = store.look(connection)
    witnesses.write(replace(found, here=replace(found.here, written=found.here.written + 1_000_000_000)))
    assert not tick(world, witnesses)
    slow = Slow(tmp_path, client)
    slow.meanwhile = lambda: recovered(world, client, witnesses)
    assert beat(world.runtime, slow)
    assert held(world) is None


@pytest.mark.parametrize("lost", ["nothing", "the broker", "HOME"])
def test_one_witness_is_enough_to_hold_a_database_that_ends_before_it(
    world: World, witnesses: Witnesses, client: "redis.Redis", tmp_path: Path, lost: str
) -> None:
    for _ in range(3):
        tick(world, witnesses)
    world.execute("UPDATE store SET beat = 2")
    if lost == "the broker":
        client.flushall()
    if lost == "HOME":
        (next((tmp_path / "witness").iterdir())).unlink()
    world.runtime = world.another()  # a process that saw nothing
    assert not tick(world, witnesses)
    assert "was seen to go on" in str(held(world))
    assert not tick(world, witnesses), "it stays so"


def test_a_process_remembers_where_nobody_else_does(world: World, tmp_path: Path) -> None:
    nobody = Witnesses(tmp_path / "file" / "that-is-none", None)
    (tmp_path / "file").write_text("")
    for _ in range(3):
        assert tick(world, nobody)
    world.execute("UPDATE store SET beat = 1")
    assert not tick(world, nobody)


def test_a_witness_that_nobody_can_read_is_passed_over(world: World, witnesses: Witnesses, tmp_path: Path) -> None:
    tick(world, witnesses)
    (file,) = (tmp_path / "witness").iterdir()
    for text in ("", "{}", '{"epoch": "x"}', "[1]", "\x00"):
        file.write_text(text)
        assert [one.standing.beat for one in witnesses.read(file.stem)] == [1]


def test_who_saw_more_of_the_database_than_it_has_decides_nothing(world: World, witnesses: Witnesses) -> None:
    tick(world, witnesses)
    payment_id = parked(world, looked(near(world)))
    with world.runtime.database.connection() as connection:
        here = store.look(connection).here
    world.runtime.seen.saw(replace(here, beat=here.beat + 1))  # it came back a little older, and nobody has judged it
    for answer in ("succeeded", "refused"):
        with pytest.raises(HeldError):
            decide(world, payment_id, answer)
    assert world.state(payment_id) == "parked"


def test_a_switch_to_a_server_that_has_all_that_was_seen_opens_a_window_and_holds_nothing(
    world: World, witnesses: Witnesses
) -> None:
    tick(world, witnesses)
    payment_id = world.pay("careful")
    server, timeline, database = world.value("SELECT whereabouts()").split("/")
    world.execute("UPDATE store SET lives_at = %s", f"{server}/{int(timeline, 16) + 1:08X}/{database}")
    with pytest.raises(HeldError):
        world.pay("careful")  # until it was judged
    assert tick(world, witnesses)
    assert held(world) is None
    world.careful.verdicts.append(ABSENT)
    world.run("careful")
    assert (world.state(payment_id), world.careful.sent) == ("unknown", [])
    assert world.value("SELECT count(*) FROM lost_times WHERE by_whom IS NULL") == 1
    assert tick(world, witnesses)
    assert world.value("SELECT count(*) FROM lost_times") == 1


def test_what_was_not_held_is_not_recovered_and_not_to_a_time_that_the_database_does_not_know(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    tick(world, witnesses)
    with pytest.raises(NotRecovered, match="not held"):
        verbs.plan(world.runtime, client, None)
    now = world.value("SELECT clock()")
    with pytest.raises(NotRecovered, match="can't be later"):
        verbs.plan(world.runtime, client, now + timedelta(minutes=1))


def proposed_close(world: World) -> Proposal:
    with world.runtime.database.transaction() as connection:
        return verbs.propose_close(connection, "Ann")


@pytest.mark.usefixtures("_people")
def test_closing_closes_the_windows_that_were_open_when_it_was_proposed(world: World, witnesses: Witnesses) -> None:
    tick(world, witnesses)
    with pytest.raises(NotRecovered, match="no window is open"):
        proposed_close(world)
    window(world)
    made, same = proposed_close(world), proposed_close(world)
    approve(world.runtime, made.id, "Bob")
    window(world)
    with pytest.raises(NotAllowed, match="void: other windows are open"):
        approve(world.runtime, same.id, "Bob")
    assert world.value("SELECT count(*) FROM lost_times WHERE closed_at IS NULL") == 1


@pytest.mark.usefixtures("_people", "_home")
@pytest.mark.parametrize("held", [False, True])
def test_what_was_proposed_twice_is_recovered_once(
    world: World,
    witnesses: Witnesses,
    client: "redis.Redis",
    held: bool,
) -> None:
    tick(world, witnesses)
    since = None if held else world.value("SELECT beat_at FROM store")
    with world.runtime.database.transaction() as connection:
        if held:
            store.hold(connection, "a test")
    stale = verbs.plan(world.runtime, client, since)
    with world.runtime.database.transaction() as connection:
        made, same = (verbs.propose(connection, stale, since, "Ann") for _ in range(2))
    approve(world.runtime, made.id, "Bob", client=client)
    with pytest.raises(NotAllowed, match="is void"):
        approve(world.runtime, same.id, "Bob", client=client)
    with pytest.raises(NotRecovered, match="recovered meanwhile"):
        verbs.recover(world.runtime, witnesses, stale, "Ann")
    assert world.rows("SELECT epoch FROM store") == [{"epoch": 1}]
    assert world.value("SELECT count(*) FROM lost_times") == 1


@contextmanager
def _forgotten(world: World, client: "redis.Redis", witnesses: Witnesses) -> Iterator[None]:
    """What the block does is known to upstream alone: the database is one of before it."""
    relay(world, client)
    backup = Backup(world)
    for _ in range(3):
        tick(world, witnesses)
    yield
    relay(world, client)
    backup.put_back()
    world.runtime = world.another()  # the processes of before have ended


def _lost(world: World, client: "redis.Redis", witnesses: Witnesses) -> dict[str, dict[str, Any]]:
    """A restore: before it some payments are open and some final; in the time that is lost others come and end."""
    known = {name: world.document("careful", intent_id=name) for name in ("was-open", "was-final", "was-cancelled")}
    tick(world, witnesses)
    for document in known.values():
        world.accept(document)
    world.careful.answers.extend([OK])
    world.execute("UPDATE payments SET due_at = clock() + interval '1 day' WHERE intent_id <> 'was-final'")
    world.run("careful")
    with _forgotten(world, client, witnesses):
        world.execute("UPDATE payments SET state = 'cancelled' WHERE intent_id = 'was-cancelled'")
        new = {name: world.document("careful", intent_id=name) for name in ("new-final", "new-open", "new-refused")}
        for document in new.values():
            world.accept(document)
        world.execute("UPDATE payments SET due_at = clock() WHERE due_at > clock() AND intent_id = 'was-open'")
        world.careful.answers.extend([OK, LOOK, NO, OK])  # what was open comes last: it is due last
        world.run("careful")
    return known | new


def test_what_upstream_was_told_stays_true_and_what_is_missing_is_named(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    documents = _lost(world, client, witnesses)
    assert not tick(world, witnesses)
    told_before = [json.loads(text) for _, text in events_stream.last_events(client, 1000)]
    plan = verbs.plan(world.runtime, client, None)
    assert plan.shown.unbroken
    finals = {event["subject"]: event["data"]["state"] for event in told_before if event["data"].get("finished_at")}
    assert set(plan.finals) == {name for name in finals if name != "shop/was-final"}
    done = verbs.recover(world.runtime, witnesses, plan, "somebody")
    assert done.epoch == 1
    for subject, state in finals.items():
        (row,) = world.rows("SELECT * FROM payments WHERE source || '/' || intent_id = %s", subject)
        assert row["state"] == state, subject
    sent = len(world.careful.sent)
    for document in documents.values():
        world.accept(document)
    relay(world, client)
    after = [json.loads(text) for _, text in events_stream.last_events(client, 1000)]
    assert after[: len(told_before)] == told_before
    for event in after[len(told_before) :]:
        if event["subject"] in finals:
            same = [one for one in told_before if one["id"] == event["id"]]
            assert same == [event], "final ones are told again as they were told, to the byte"
    world.careful.verdicts.append(ABSENT)
    world.run("careful")
    assert len(world.careful.sent) == sent, "what may have been sent is looked up first"
    assert world.value("SELECT count(*) FROM lost_payments WHERE came_at IS NULL") == 0


def test_who_reads_by_position_hears_of_the_recovery_and_of_all_after_it(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    documents = _lost(world, client, witnesses)
    tick(world, witnesses)
    position = 10_000_000  # a reader was told of events that the database has lost
    recovered(world, client, witnesses)
    for document in documents.values():
        world.accept(document)
    relay(world, client)
    with world.runtime.database.connection() as connection:
        page = feed.page(connection, "shop", position, feed.Horizon().look(connection), 1000)
    of_all = [event["subject"] for event in page.events if event["type"] == "settlepipe.store.recovered"]
    assert len(of_all) == 1
    assert {event["subject"] for event in page.events} - set(of_all) == {
        f"shop/{name}"
        for name in documents
        if name != "was-final"  # that was told, and the backup has it
    }


def test_an_intent_that_disagrees_with_what_was_told_of_it_is_a_conflict(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    documents = _lost(world, client, witnesses)
    tick(world, witnesses)
    recovered(world, client, witnesses)
    told = [json.loads(text) for _, text in events_stream.last_events(client, 1000)]
    final = next(e["subject"].partition("/")[2] for e in told if e["data"].get("finished_at") and "new" in e["subject"])
    wrong = documents[final] | {"amount": "1.00"}
    assert world.accept(wrong) == 0
    assert world.value("SELECT count(*) FROM quarantine WHERE conflict_of IS NOT NULL") == 1
    assert world.accept(documents[final]) == 0
    assert world.value("SELECT count(*) FROM quarantine") == 1
    again = documents[final] | {"metadata": {"other": "content"}}
    assert world.accept(again) == 0
    assert world.value("SELECT count(*) FROM quarantine") == 2, "the first one that agreed is the one"


def test_names_of_after_are_never_names_of_before(world: World, witnesses: Witnesses, client: "redis.Redis") -> None:
    documents = _lost(world, client, witnesses)
    before = {json.loads(text)["id"] for _, text in events_stream.last_events(client, 1000)}
    tick(world, witnesses)
    recovered(world, client, witnesses)
    world.accept(world.document("safe"), b"not an intent", documents["new-open"])
    world.run()
    relay(world, client)
    names = [json.loads(text)["id"] for _, text in events_stream.last_events(client, 1000)]
    new = [name for name in names if name not in before]
    assert new
    assert all(name.startswith("1-") for name in new), new
    payment_id = world.value("SELECT max(id) FROM payments")
    assert payment_id > 10**12
    assert {"1-s1-1", f"1-q{10**12 + 1}-1"} <= set(new)


def test_a_bad_entry_of_before_is_told_again_under_its_old_name(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    world.accept(b"not an intent")
    relay(world, client)
    _lost(world, client, witnesses)
    tick(world, witnesses)
    recovered(world, client, witnesses)
    relay(world, client)
    world.accept(b"not an intent")
    relay(world, client)
    last = json.loads(events_stream.last_events(client, 1)[0][1])
    assert last["id"] == "q1-1"


def test_a_stream_that_does_not_reach_back_is_said_to_be_broken(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    _lost(world, client, witnesses)
    tick(world, witnesses)
    client.xtrim(events_stream.EVENTS, maxlen=2, approximate=False)
    plan = verbs.plan(world.runtime, client, None)
    assert not plan.shown.unbroken
    verbs.recover(world.runtime, witnesses, plan, "somebody")
    assert world.value("SELECT NOT unbroken FROM lost_times")


def test_a_restore_to_before_a_recovery_is_noticed_too(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    tick(world, witnesses)
    backup = Backup(world)
    with world.runtime.database.connection() as connection:
        store.hold(connection, "a test")
    assert recovered(world, client, witnesses).epoch == 1
    backup.put_back()
    world.runtime = world.another()
    world.execute("UPDATE store SET beat = 1000000")
    assert not tick(world, witnesses)
    assert recovered(world, client, witnesses).epoch == 2


def test_a_refund_of_a_settle_that_only_the_stream_told_of_waits_until_its_intent_comes_again(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    documents = _lost(world, client, witnesses)
    tick(world, witnesses)
    recovered(world, client, witnesses)
    (settle,) = world.rows(
        "SELECT intent_id FROM payments WHERE stream_event IS NOT NULL AND state = 'succeeded' AND body IS NULL LIMIT 1"
    )
    refund = world.pay("careful", refund_of=settle["intent_id"])
    release_refunds(world.runtime)
    assert (world.state(refund), world.payment(refund)["hold_reason"]) == ("accepted", "settle_pending")
    world.accept(documents[settle["intent_id"]])
    release_refunds(world.runtime)
    world.careful.verdicts.append(ABSENT)
    world.run("careful")
    assert world.state(refund) == State.PARKED, "and then it is a person's"


def _row(world: World, document: Mapping[str, Any]) -> dict[str, Any]:
    columns = "state, attempts, possibly_sent, exclusive_key, settle_id, target, path, body"
    (row,) = world.rows(f"SELECT id, {columns} FROM payments WHERE intent_id = %s", document["intent_id"])
    return row


def _pair(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    settle = world.document("safe", target={"invoice": "shared-1", "shared": True})
    return settle, world.document("safe", refund_of=settle["intent_id"])


def _paid_back(world: World) -> None:
    """The refunds whose settle is final are made."""
    release_refunds(world.runtime)
    world.run()


def _recovered(world: World, client: "redis.Redis", witnesses: Witnesses) -> None:
    assert not tick(world, witnesses)
    recovered(world, client, witnesses)


def _held_settle(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """A settle that is held for a list, and a refund of it that has not come."""
    settle, refund = _pair(world)
    world.safe.builds.append(Hold(HoldReason.NO_ACCOUNT, "no account yet"))
    world.accept(settle)
    return settle, refund


def _refunded(world: World, *, more: bool) -> None:
    """What was refunded holds all of its settle: another refund of it can't be."""
    (settle_id,) = (row["settle_id"] for row in world.rows("SELECT settle_id FROM payments WHERE operation = 'refund'"))
    with world.runtime.database.transaction() as connection:
        found = release_store.settle(connection, settle_id)
    assert found.refunded_minor == found.payment.amount_minor
    assert found.untold == more


def test_a_refund_that_was_held_and_was_made_in_the_lost_time_is_one_of_its_settle(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    """Else another refund of it fits, and a night's sum of its invoice lacks it."""
    settle, refund = _pair(world)
    tick(world, witnesses)
    world.accept(settle, refund)
    with _forgotten(world, client, witnesses):
        world.run()
        _paid_back(world)
        known = _row(world, refund)
    _recovered(world, client, witnesses)
    assert known["state"] == "succeeded"
    assert _row(world, refund) == known
    assert _row(world, refund)["settle_id"] == _row(world, settle)["id"]
    _refunded(world, more=False)


def test_a_refund_that_came_before_its_settle_in_the_lost_time_is_one_of_its_settle(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    settle, refund = _pair(world)
    tick(world, witnesses)
    with _forgotten(world, client, witnesses):
        world.accept(refund)
        world.accept(settle)
        world.run()
        _paid_back(world)
    _recovered(world, client, witnesses)
    assert (_row(world, refund)["state"], _row(world, refund)["settle_id"]) == ("succeeded", _row(world, settle)["id"])
    _refunded(world, more=True)
    world.accept(settle)
    assert _row(world, settle)["exclusive_key"] == "safe:shared-1"
    assert _row(world, refund)["exclusive_key"] == "safe:shared-1", "it stands on its settle's invoice"
    world.accept(refund)
    assert _row(world, refund)["exclusive_key"] == "safe:shared-1"
    _refunded(world, more=False)


def test_a_refund_of_an_archived_settle_that_was_made_in_the_lost_time_is_one_of_it(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    settle, refund = _pair(world)
    tick(world, witnesses)
    world.accept(settle)
    world.run()
    with _forgotten(world, client, witnesses):
        world.accept(refund)
        _paid_back(world)
    assert not tick(world, witnesses)
    world.advance(400 * 86_400)
    assert retire(world.runtime, 10) == 1
    recovered(world, client, witnesses)
    assert _row(world, refund)["settle_id"] == _row(world, settle)["id"]
    assert _row(world, refund)["exclusive_key"] == "safe:shared-1"
    _refunded(world, more=False)


def test_what_was_held_for_the_lists_and_was_paid_in_the_lost_time_has_its_request(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    """Its intent is here and does not come as a new one again: nothing else would build it, and its refunds wait."""
    tick(world, witnesses)
    settle, refund = _held_settle(world)
    with _forgotten(world, client, witnesses):
        release_directory_holds(world.runtime, "safe")
        world.run()
        known = _row(world, settle)
    _recovered(world, client, witnesses)
    assert known["state"] == "succeeded"
    assert _row(world, settle) == known
    world.accept(refund)
    release_refunds(world.runtime)
    assert _row(world, refund)["settle_id"] == _row(world, settle)["id"], "its refund does not wait for its intent"


def test_what_was_sent_as_another_request_than_is_built_now_has_its_invoice_and_no_bytes(
    world: World, witnesses: Witnesses, client: "redis.Redis"
) -> None:
    tick(world, witnesses)
    settle, _ = _held_settle(world)
    with _forgotten(world, client, witnesses):
        world.safe.builds.append(Request("/settle", b"another request", "safe:shared-1"))
        release_directory_holds(world.runtime, "safe")
        world.run()
    _recovered(world, client, witnesses)
    row = _row(world, settle)
    assert (row["state"], row["exclusive_key"], row["path"], row["body"]) == ("succeeded", "safe:shared-1", None, None)


def test_what_the_witnesses_remember_is_of_one_installation_alone(world: World, witnesses: Witnesses) -> None:
    tick(world, witnesses)
    with world.runtime.database.connection() as connection:
        found = store.look(connection)
    witnesses.write(replace(found, installation="another"))
    assert [one.standing.beat for one in witnesses.read(found.installation or "")] == [1, 1]
    assert witnesses.read("nobody") == []
    assert Seen().highest is None
