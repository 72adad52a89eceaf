// A reliable consumer: books each event of one source exactly once in effect, whatever dies.
//
//	BROKER_URL=redis://… SOURCE=shop BOOKS=postgresql://… go run ./consumer
//
// The event's id is kept in the same transaction as what is done about it, so one that comes again changes nothing. Where
// events left the stream unread, the source's own are read by HTTP (WEB_URL and KEY), or replayed by an operator.
package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
	_ "github.com/lib/pq"
)

var (
	events      = os.Getenv("KEY_PREFIX") + "settlepipe:events" // an installation's BROKER_KEY_PREFIX, if it has one
	group, name = given("GROUP", "books"), given("CONSUMER", "books-1")
	claimMs     = given("CLAIM_MS", "30000") // so long a consumer may take for what it read
	broker      redis.Conn
	books       *sql.DB
)

type event struct {
	ID, Type, Subject string
	Data              struct{ Amount, Since string }
}

type entry struct {
	id   string
	told event
}

// One transaction: the event's id, what is done about it, and how far the stream was read.
func handle(told event, id string) {
	work, err := books.Begin()
	must(err)
	done, err := work.Exec("INSERT INTO handled VALUES ($1) ON CONFLICT DO NOTHING", told.ID)
	must(err)
	fresh, err := done.RowsAffected()
	must(err)
	if fresh == 1 && strings.HasPrefix(told.Subject, os.Getenv("SOURCE")+"/") {
		book(work, told)
	}
	if fresh == 1 && told.Type == "settlepipe.store.recovered" {
		fmt.Fprintf(os.Stderr, "send every intent since %s again\n", told.Data.Since)
	}
	if ms, seq, there := strings.Cut(id, "-"); there {
		_, err = work.Exec(`INSERT INTO place VALUES (true, $1, $2) ON CONFLICT (one) DO UPDATE
			SET ms = excluded.ms, seq = excluded.seq WHERE (excluded.ms, excluded.seq) > (place.ms, place.seq)`, ms, seq)
		must(err)
	}
	must(work.Commit())
}

// What this consumer is for. Done twice it would be wrong, so it stands in the transaction.
func book(work *sql.Tx, told event) {
	minor, err := strconv.ParseInt("0"+strings.Replace(told.Data.Amount, ".", "", 1), 10, 64)
	must(err)
	_, err = work.Exec(`INSERT INTO books VALUES ($1, 1, $2) ON CONFLICT (type) DO UPDATE
		SET times = books.times + 1, minor = books.minor + excluded.minor`, told.Type, minor)
	must(err)
}

// May events have left the stream that were never read? Not while the last one that was is still there: the oldest
// leave first. Asked behind each read, so nothing can have left between.
func missed() bool {
	var place string
	err := books.QueryRow("SELECT ms || '-' || seq FROM place").Scan(&place)
	if err == sql.ErrNoRows {
		return true
	}
	must(err)
	there, err := redis.Values(broker.Do("XRANGE", events, place, place))
	must(err)
	return len(there) == 0
}

// Read everything that was told to this source; what was handled is left as it is. What is in hand is among it: a page that
// says that there is no more tells all that was committed before it was asked for.
func rebuild() {
	if os.Getenv("WEB_URL") == "" {
		fmt.Fprintln(os.Stderr, "events were missed: have `settlepipe events replay --since …` run")
		return
	}
	page := struct {
		Events []event
		Next   string
		More   bool
	}{Next: "0", More: true}
	for page.More {
		asked, err := http.NewRequest("GET", os.Getenv("WEB_URL")+"/v1/events?after="+page.Next, nil)
		must(err)
		asked.Header.Set("Authorization", "Bearer "+os.Getenv("KEY"))
		answer, err := (&http.Client{Timeout: 30 * time.Second}).Do(asked)
		must(err)
		if answer.StatusCode != http.StatusOK {
			log.Fatal(answer.Status)
		}
		page.Events = nil
		must(json.NewDecoder(answer.Body).Decode(&page))
		must(answer.Body.Close())
		for _, one := range page.Events {
			handle(one, "")
		}
		if wait, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
			time.Sleep(time.Duration(wait) * time.Second)
		}
	}
}

// What a dead consumer left, else what is new; and whether anything of it had left the stream.
func read() ([]entry, bool, error) {
	claimed, err := redis.Values(broker.Do("XAUTOCLAIM", events, group, name, claimMs, "0-0", "COUNT", 100))
	if err != nil {
		return nil, false, err
	}
	left, gone := parsed(claimed[1]), len(claimed) > 2 && len(claimed[2].([]interface{})) > 0
	if len(left) > 0 || gone {
		return left, gone, nil
	}
	streams, err := redis.Values(broker.Do("XREADGROUP", "GROUP", group, name, "COUNT", 100, "BLOCK", 1000, "STREAMS", events, ">"))
	if err == redis.ErrNil {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return parsed(streams[0].([]interface{})[1]), false, nil
}

func parsed(entries interface{}) (found []entry) {
	for _, one := range entries.([]interface{}) {
		parts := one.([]interface{})
		fields, err := redis.StringMap(parts[1], nil)
		must(err)
		each := entry{id: string(parts[0].([]byte))}
		must(json.Unmarshal([]byte(fields["event"]), &each.told))
		found = append(found, each)
	}
	return found
}

func main() {
	var err error
	broker, err = redis.DialURL(os.Getenv("BROKER_URL"), redis.DialReadTimeout(10*time.Second))
	must(err)
	books, err = sql.Open("postgres", os.Getenv("BOOKS"))
	must(err)
	_, err = books.Exec(`CREATE TABLE IF NOT EXISTS handled (event_id text PRIMARY KEY);
		CREATE TABLE IF NOT EXISTS place (one boolean PRIMARY KEY CHECK (one), ms bigint, seq bigint);
		CREATE TABLE IF NOT EXISTS books (type text PRIMARY KEY, times bigint, minor bigint)`)
	must(err)
	for {
		entries, gone, err := read()
		if err != nil && strings.HasPrefix(err.Error(), "NOGROUP") { // the first time, or the stream was wiped
			_, err = broker.Do("XGROUP", "CREATE", events, group, "0", "MKSTREAM")
			must(err)
			continue
		}
		must(err)
		if gone || (len(entries) > 0 && missed()) {
			rebuild()
		}
		for _, one := range entries {
			handle(one.told, one.id)
			_, err = broker.Do("XACK", events, group, one.id)
			must(err)
		}
	}
}

func given(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
