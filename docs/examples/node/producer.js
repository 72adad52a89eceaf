// A producer: puts intents on the queue, and again until each is known to be accepted, or to have to be corrected.
//
//     BROKER_URL=redis://… node producer.js < intents.jsonl
//
// Sending again is safe for ever: (source, intent_id) makes it so. Ends with 1 where an intent can't be accepted.
const { createHash } = require("node:crypto")
const { readFileSync } = require("node:fs")
const Redis = require("ioredis")

const PREFIX = process.env.KEY_PREFIX || "" // of an installation that has one: its BROKER_KEY_PREFIX
const INTAKE = `${PREFIX}settlepipe:intake`, EVENTS = `${PREFIX}settlepipe:events`
const RESEND_MS = 1000 * (process.env.RESEND_S || 10)

async function main() {
  const broker = new Redis(process.env.BROKER_URL)
  const [last] = await broker.xrevrange(EVENTS, "+", "-", "COUNT", 1) // before the first is sent: no answer comes earlier
  let position = last ? last[0] : "0-0", sentAt = -Infinity, wrong = 0
  const waiting = new Map(), digests = new Map()
  for (const line of readFileSync(0, "utf8").split("\n").filter((one) => one.trim())) {
    const { source, intent_id } = JSON.parse(line), subject = `${source}/${intent_id}`
    waiting.set(subject, line)
    digests.set(createHash("sha256").update(line).digest("hex"), subject)
  }
  while (waiting.size) {
    if (performance.now() - sentAt >= RESEND_MS) {
      for (const raw of waiting.values()) await broker.xadd(INTAKE, "*", "intent", raw)
      sentAt = performance.now()
    }
    const [stream] = (await broker.xread("COUNT", 100, "BLOCK", 1000, "STREAMS", EVENTS, position)) || []
    for (const [entry, fields] of stream ? stream[1] : []) {
      position = entry
      const event = JSON.parse(fields[1])
      if (event.type.startsWith("settlepipe.payment.")) waiting.delete(event.subject) // of a repeat: its last one
      if (event.type === "settlepipe.intake.quarantined") {
        const subject = digests.get(event.data.sha256) || event.subject
        if (!waiting.delete(subject)) continue
        console.error(`${subject}: ${event.data.code}: ${event.data.reason}`)
        wrong += 1
      }
    }
  }
  await broker.quit()
  process.exitCode = wrong ? 1 : 0
}
main().catch((error) => { console.error(error.message); process.exit(1) })
