// A producer: puts intents on the queue, and again until each is known to be accepted, or to have to be corrected.
//
//	BROKER_URL=redis://… go run ./producer < intents.jsonl
//
// Sending again is safe for ever: (source, intent_id) makes it so. Ends with 1 where an intent can't be accepted.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

const resend = 10 * time.Second

var (
	prefix         = os.Getenv("KEY_PREFIX") // of an installation that has one: its BROKER_KEY_PREFIX
	intake, events = prefix + "settlepipe:intake", prefix + "settlepipe:events"
)

type event struct {
	Type, Subject string
	Data          struct{ SHA256, Code, Reason string }
}

func main() {
	broker, err := redis.DialURL(os.Getenv("BROKER_URL"), redis.DialReadTimeout(10*time.Second))
	must(err)
	position := "0-0" // before the first is sent: no answer comes earlier
	last, err := redis.Values(broker.Do("XREVRANGE", events, "+", "-", "COUNT", 1))
	must(err)
	if len(last) > 0 {
		position, err = redis.String(last[0].([]interface{})[0], nil)
		must(err)
	}
	waiting, digests := map[string]string{}, map[string]string{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		var intent struct {
			Source string `json:"source"`
			ID     string `json:"intent_id"`
		}
		must(json.Unmarshal([]byte(line), &intent))
		subject, digest := intent.Source+"/"+intent.ID, sha256.Sum256([]byte(line))
		waiting[subject], digests[hex.EncodeToString(digest[:])] = line, subject
	}
	must(lines.Err())
	wrong, sentAt := 0, time.Time{}
	for len(waiting) > 0 {
		if time.Since(sentAt) >= resend {
			for _, raw := range waiting {
				_, err := broker.Do("XADD", intake, "*", "intent", raw)
				must(err)
			}
			sentAt = time.Now()
		}
		for _, entry := range read(broker, position) {
			position = entry.id
			var told event
			must(json.Unmarshal([]byte(entry.event), &told))
			if strings.HasPrefix(told.Type, "settlepipe.payment.") { // of a repeat it is the payment's last one
				delete(waiting, told.Subject)
			}
			if told.Type == "settlepipe.intake.quarantined" {
				subject, ours := digests[told.Data.SHA256]
				if !ours {
					subject = told.Subject
				}
				if _, there := waiting[subject]; there {
					delete(waiting, subject)
					wrong++
					fmt.Fprintf(os.Stderr, "%s: %s: %s\n", subject, told.Data.Code, told.Data.Reason)
				}
			}
		}
	}
	if wrong > 0 {
		os.Exit(1)
	}
}

type entry struct{ id, event string }

func read(broker redis.Conn, position string) (found []entry) {
	streams, err := redis.Values(broker.Do("XREAD", "COUNT", 100, "BLOCK", 1000, "STREAMS", events, position))
	if err == redis.ErrNil {
		return nil
	}
	must(err)
	entries, err := redis.Values(streams[0].([]interface{})[1], nil)
	must(err)
	for _, one := range entries {
		parts := one.([]interface{})
		fields, err := redis.StringMap(parts[1], nil)
		must(err)
		found = append(found, entry{string(parts[0].([]byte)), fields["event"]})
	}
	return found
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
