"""Procrastinate: the job's row is the payment's, and the queue. As its manual has it: an asynchronous task, so many at
once, and an HTTP session for all of them.

`python -m tests.bench.by_procrastinate` is a worker; it runs until SIGTERM.
"""

import asyncio
import os

import aiohttp
import procrastinate

QUEUE = "bench"
STAGED = "bench-staged"

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_DATABASE_URL"]))
_URL = os.environ["BENCH_PROVIDER_URL"] + "/api/third_party/settle_payment/"
_sessions: list[aiohttp.ClientSession] = []


@app.task(name="settle", queue=QUEUE, retry=10)  # type: ignore[untyped-decorator]
async def settle(body: dict[str, str]) -> None:
    async with _sessions[0].post(_URL, json=body) as response:
        response.raise_for_status()
        await response.read()


async def work(threads: int) -> None:
    """Run a worker with so many jobs at once."""
    known = {"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}"}
    connector, patience = aiohttp.TCPConnector(limit=threads), aiohttp.ClientTimeout(30)
    async with aiohttp.ClientSession(headers=known, connector=connector, timeout=patience) as one:
        _sessions.append(one)
        async with app.open_async():
            print("ready", flush=True)
            await app.run_worker_async(queues=[QUEUE], concurrency=threads, fetch_job_polling_interval=0.05)


if __name__ == "__main__":
    asyncio.run(work(int(os.environ["BENCH_THREADS"])))
