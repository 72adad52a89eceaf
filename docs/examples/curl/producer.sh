#!/usr/bin/env bash
# A producer: sends an intent by HTTP until it is known to be committed, or to have to be corrected.
#
#     WEB_URL=http://… KEY=… ./producer.sh intent.json
#
# "Not now", or no answer: the same again, which is safe for ever. Ends with 1 for what can't be accepted.
set -euo pipefail

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
while true; do
    status=$(curl --silent --output "$answer" --write-out '%{http_code}' --max-time 30 "$WEB_URL/v1/intents" \
        -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' --data-binary "@$1") || status=000
    case $status in
        202) exit 0 ;;
        000 | 429 | 5??) sleep 1 ;;
        *) cat "$answer" >&2; exit 1 ;;
    esac
done
