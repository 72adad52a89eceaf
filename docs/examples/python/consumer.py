"""A reliable consumer: books each event of one source exactly once in effect, whatever dies.

    BROKER_URL=redis://… SOURCE=shop BOOKS=books.db python consumer.py

The event's id is kept in the same transaction as what is done about it, so one that comes again changes nothing. Where
events left the stream unread, the source's own are read by HTTP (WEB_URL and KEY), or replayed by an operator.
"""

import json
import os
import sqlite3
import sys
import time
import urllib.request

import redis

EVENTS = f"{os.environ.get('KEY_PREFIX', '')}settlepipe:events"  # an installation's BROKER_KEY_PREFIX, if it has one
GROUP, NAME = os.environ.get("GROUP", "books"), os.environ.get("CONSUMER", "books-1")
SOURCE = os.environ["SOURCE"]
CLAIM_MS = int(os.environ.get("CLAIM_MS", "30000"))  # so long a consumer may take for what it read
WEB_URL, KEY = os.environ.get("WEB_URL"), os.environ.get("KEY")

broker = redis.from_url(os.environ["BROKER_URL"], decode_responses=True)
books = sqlite3.connect(os.environ["BOOKS"], isolation_level=None, timeout=30)
books.executescript(
    """CREATE TABLE IF NOT EXISTS handled (event_id TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), ms INTEGER, seq INTEGER);
    CREATE TABLE IF NOT EXISTS books (type TEXT PRIMARY KEY, times INTEGER, minor INTEGER)"""
)


def handle(event, entry_id=None):
    """One transaction: the event's id, what is done about it, and how far the stream was read."""
    books.execute("BEGIN IMMEDIATE")
    new = books.execute("INSERT INTO handled VALUES (?) ON CONFLICT DO NOTHING", (event["id"],)).rowcount
    if new and event["subject"].startswith(f"{SOURCE}/"):
        book(event)
    if new and event["type"] == "settlepipe.store.recovered":
        print(f"send every intent since {event['data']['since']} again", file=sys.stderr)
    if entry_id is not None:
        books.execute(
            """INSERT INTO place VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE SET ms = excluded.ms, seq = excluded.seq
            WHERE (excluded.ms, excluded.seq) > (place.ms, place.seq)""",
            entry_id.split("-"),
        )
    books.execute("COMMIT")


def book(event):
    """What this consumer is for. Done twice it would be wrong, so it stands in the transaction."""
    minor = int(event["data"].get("amount", "0").replace(".", ""))
    books.execute(
        """INSERT INTO books VALUES (?, 1, ?) ON CONFLICT (type) DO UPDATE
        SET times = times + 1, minor = minor + excluded.minor""",
        (event["type"], minor),
    )


def missed():
    """May events have left the stream that were never read? Not while the last one that was is still there: the oldest
    leave first. Asked behind each read, so nothing can have left between."""
    place = books.execute("SELECT ms || '-' || seq FROM place").fetchone()
    return place is None or not broker.xrange(EVENTS, place[0], place[0])


def rebuild():
    """Read everything that was told to this source; what was handled is left as it is. What is in hand is among it: a
    page that says that there is no more tells all that was committed before it was asked for."""
    if not WEB_URL:
        print("events were missed: have `settlepipe events replay --since …` run", file=sys.stderr)
        return
    page = {"next": "0", "more": True}
    while page["more"]:
        asked = f"{WEB_URL}/v1/events?after={page['next']}"
        asked = urllib.request.Request(asked, headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            page, wait_s = json.load(answer), float(answer.headers.get("Retry-After", 0))
        for event in page["events"]:
            handle(event)
        time.sleep(wait_s)


def read():
    """What a dead consumer left, else what is new; and whether anything of it had left the stream."""
    _, left, gone = broker.xautoclaim(EVENTS, GROUP, NAME, CLAIM_MS, count=100)
    if left or gone:
        return left, bool(gone)
    found = broker.xreadgroup(GROUP, NAME, {EVENTS: ">"}, count=100, block=1000)
    return [entry for _, entries in found for entry in entries], False


while True:
    try:
        entries, gone = read()
    except redis.ResponseError as error:
        if "NOGROUP" not in str(error):
            raise
        broker.xgroup_create(EVENTS, GROUP, "0", mkstream=True)  # the first time, or the stream was wiped
        continue
    if gone or (entries and missed()):
        rebuild()
    for entry_id, fields in entries:
        handle(json.loads(fields["event"]), entry_id)
        broker.xack(EVENTS, GROUP, entry_id)
