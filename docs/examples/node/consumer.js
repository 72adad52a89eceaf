// A reliable consumer: books each event of one source exactly once in effect, whatever dies.
//
//     BROKER_URL=redis://… SOURCE=shop BOOKS=postgresql://… node consumer.js
//
// The event's id is kept in the same transaction as what is done about it, so one that comes again changes nothing. Where
// events left the stream unread, the source's own are read by HTTP (WEB_URL and KEY), or replayed by an operator.
const Redis = require("ioredis")
const { Client } = require("pg")

const { SOURCE, WEB_URL, KEY, GROUP = "books", CONSUMER = "books-1" } = process.env
const EVENTS = `${process.env.KEY_PREFIX || ""}settlepipe:events` // an installation's BROKER_KEY_PREFIX, if it has one
const CLAIM_MS = Number(process.env.CLAIM_MS || 30000) // so long a consumer may take for what it read

const broker = new Redis(process.env.BROKER_URL), books = new Client(process.env.BOOKS)

// One transaction: the event's id, what is done about it, and how far the stream was read.
async function handle(event, entry) {
  await books.query("BEGIN")
  const { rowCount } = await books.query("INSERT INTO handled VALUES ($1) ON CONFLICT DO NOTHING", [event.id])
  if (rowCount && event.subject.startsWith(`${SOURCE}/`)) await book(event)
  if (rowCount && event.type === "settlepipe.store.recovered") {
    console.error(`send every intent since ${event.data.since} again`)
  }
  if (entry) {
    await books.query(
      `INSERT INTO place VALUES (true, $1, $2) ON CONFLICT (one) DO UPDATE SET ms = excluded.ms, seq = excluded.seq
      WHERE (excluded.ms, excluded.seq) > (place.ms, place.seq)`, entry.split("-"))
  }
  await books.query("COMMIT")
}

// What this consumer is for. Done twice it would be wrong, so it stands in the transaction.
async function book(event) {
  const minor = (event.data.amount || "0").replace(".", "")
  await books.query(
    `INSERT INTO books VALUES ($1, 1, $2) ON CONFLICT (type)
    DO UPDATE SET times = books.times + 1, minor = books.minor + excluded.minor`, [event.type, minor])
}

// May events have left the stream that were never read? Not while the last one that was is still there: the oldest
// leave first. Asked behind each read, so nothing can have left between.
async function missed() {
  const { rows: [place] } = await books.query("SELECT ms || '-' || seq AS entry FROM place")
  return !place || (await broker.xrange(EVENTS, place.entry, place.entry)).length === 0
}

// Read everything that was told to this source; what was handled is left as it is. What is in hand is among it: a page that
// says that there is no more tells all that was committed before it was asked for.
async function rebuild() {
  if (!WEB_URL) return console.error("events were missed: have `settlepipe events replay --since …` run")
  for (let page = { next: "0", more: true }; page.more;) {
    const asked = `${WEB_URL}/v1/events?after=${page.next}`
    const answer = await fetch(asked, { headers: { Authorization: `Bearer ${KEY}` } })
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
    page = await answer.json()
    for (const event of page.events) await handle(event)
    await new Promise((done) => setTimeout(done, 1000 * Number(answer.headers.get("Retry-After"))))
  }
}

// What a dead consumer left, else what is new; and whether anything of it had left the stream.
async function read() {
  const [, left, gone] = await broker.xautoclaim(EVENTS, GROUP, CONSUMER, CLAIM_MS, "0-0", "COUNT", 100)
  if (left.length || gone.length) return [left, gone.length > 0]
  const found = await broker.xreadgroup("GROUP", GROUP, CONSUMER, "COUNT", 100, "BLOCK", 1000, "STREAMS", EVENTS, ">")
  return [found ? found[0][1] : [], false]
}

async function main() {
  await books.connect()
  await books.query(
    `CREATE TABLE IF NOT EXISTS handled (event_id text PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS place (one boolean PRIMARY KEY CHECK (one), ms bigint, seq bigint);
    CREATE TABLE IF NOT EXISTS books (type text PRIMARY KEY, times bigint, minor bigint)`)
  for (;;) {
    let entries, gone
    try {
      [entries, gone] = await read()
    } catch (error) {
      if (!error.message.includes("NOGROUP")) throw error
      await broker.xgroup("CREATE", EVENTS, GROUP, "0", "MKSTREAM") // the first time, or the stream was wiped
      continue
    }
    if (gone || (entries.length && await missed())) await rebuild()
    for (const [entry, fields] of entries) {
      await handle(JSON.parse(fields[1]), entry)
      await broker.xack(EVENTS, GROUP, entry)
    }
  }
}
main().catch((error) => { console.error(error.message); process.exit(1) })
