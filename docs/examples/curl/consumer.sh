#!/usr/bin/env bash
# A consumer by HTTP: appends each event of its source to a file, exactly once, whatever dies.
#
#     WEB_URL=http://… KEY=… BOOKS=books.tsv ./consumer.sh
#
# A line of the file is the transaction: the event's position, its type and the event.
set -euo pipefail

touch "$BOOKS"
while true; do
    # A line without an end was not booked: who wrote it died.
    [ -z "$(tail -c 1 "$BOOKS")" ] || truncate --size "$(($(stat --format %s "$BOOKS") - $(tail -n 1 "$BOOKS" | wc -c)))" "$BOOKS"
    position=$(tail -n 1 "$BOOKS" | cut -f 1)
    while IFS= read -r line; do
        case $line in
            "id: "*) id=${line#id: } ;;
            "event: "*) type=${line#event: } ;;
            "data: "*) data=${line#data: } ;;
            "") [ -z "${data:-}" ] || printf '%s\t%s\t%s\n' "$id" "$type" "$data" >>"$BOOKS"; data= ;;
        esac
    done < <(curl --silent --show-error --fail --no-buffer "$WEB_URL/v1/events/stream?after=${position:-0}" \
        -H "Authorization: Bearer $KEY")
    sleep 1
done
