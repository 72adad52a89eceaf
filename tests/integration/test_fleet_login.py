"""One log-in for the whole fleet: 100 threads in 4 processes meet a missing token, and then a revoked one."""

import json
import multiprocessing
import threading
from multiprocessing.synchronize import Barrier
from queue import Queue
from typing import Any

from cryptography.fernet import Fernet

from deploy.sandbox.running import running_sandbox
from shared.database.engine import Database
from shared.database.tokens import StoredTokens
from shared.providers.registry import connect
from shared.settings import Settings
from tests.support.sandbox import SandboxClient

PROCESSES, THREADS = 4, 25
TIMEOUT_S = 300


def member(database_url: str, settings: dict[str, Any], key: str, barrier: Barrier, answers: "Queue[str]") -> None:
    """One process of the fleet: its threads call at the same moment, once for each round."""
    database = Database(database_url, pool_size=4)
    connected = connect("billcenter", Settings.model_validate(settings), StoredTokens(database, [key]))

    def call() -> None:
        for _ in range(2):
            barrier.wait(TIMEOUT_S)
            try:
                answers.put(json.dumps(connected.lookups["biller_categories"].call() is not None))
            except Exception as error:
                answers.put(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=call) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.dispose()


def test_a_hundred_threads_in_four_processes_log_in_once_for_each_token(database_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    key = Fernet.generate_key().decode()
    with running_sandbox() as url:
        sandbox = SandboxClient(url)
        section = {"base_url": sandbox.billcenter_url, "username": "sandbox", "password": "sandbox"}
        barrier, answers = spawn.Barrier(PROCESSES * THREADS + 1), spawn.Queue()
        given = (database_url, {"billcenter": section}, key, barrier, answers)
        fleet = [spawn.Process(target=member, args=given, daemon=True) for _ in range(PROCESSES)]
        for process in fleet:
            process.start()
        for logins in (1, 2):
            barrier.wait(TIMEOUT_S)
            got = {answers.get(timeout=TIMEOUT_S) for _ in range(PROCESSES * THREADS)}
            assert got == {"true"}
            assert len(sandbox.requests(operation="token")) == logins
            sandbox.call("POST", "billcenter/revoke", {})
        for process in fleet:
            process.join(TIMEOUT_S)
            assert process.exitcode == 0
        assert sandbox.requests(operation="refresh") == [], "a refused token is not renewed: it is asked for anew"
