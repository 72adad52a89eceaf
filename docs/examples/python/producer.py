"""A producer: puts intents on the queue, and again until each is known to be accepted, or to have to be corrected.

    BROKER_URL=redis://… python producer.py < intents.jsonl

Sending again is safe for ever: (source, intent_id) makes it so. Ends with 1 where an intent can't be accepted.
"""

import hashlib
import json
import os
import sys
import time

import redis

PREFIX = os.environ.get("KEY_PREFIX", "")  # of an installation that has one: its BROKER_KEY_PREFIX
INTAKE, EVENTS = f"{PREFIX}settlepipe:intake", f"{PREFIX}settlepipe:events"
RESEND_S = float(os.environ.get("RESEND_S", "10"))

broker = redis.from_url(os.environ["BROKER_URL"], decode_responses=True)
last = broker.xrevrange(EVENTS, count=1)  # before the first is sent: no answer comes earlier
position = last[0][0] if last else "0-0"
waiting: dict[str, str] = {}
for line in filter(str.strip, sys.stdin):
    intent = json.loads(line)
    waiting[f"{intent['source']}/{intent['intent_id']}"] = line.strip()
digests = {hashlib.sha256(raw.encode()).hexdigest(): subject for subject, raw in waiting.items()}

wrong, sent_at = 0, float("-inf")
while waiting:
    if time.monotonic() - sent_at >= RESEND_S:
        for raw in waiting.values():
            broker.xadd(INTAKE, {"intent": raw})
        sent_at = time.monotonic()
    for _, entries in broker.xread({EVENTS: position}, count=100, block=1000):
        for entry, fields in entries:
            position, event = entry, json.loads(fields["event"])
            if event["type"].startswith("settlepipe.payment."):  # of a repeat it is the payment's last one
                waiting.pop(event["subject"], None)
            elif event["type"] == "settlepipe.intake.quarantined":
                subject = digests.get(event["data"]["sha256"], event["subject"])
                if waiting.pop(subject, None) is not None:
                    print(f"{subject}: {event['data']['code']}: {event['data']['reason']}", file=sys.stderr)
                    wrong += 1
sys.exit(bool(wrong))
