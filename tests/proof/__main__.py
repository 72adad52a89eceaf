"""`make proof`: hours. The whole suite at every time of day and on the days that calendars trip over, and long runs.

Each line of TIMES is one `make test AT=… ZONE=…`; the tests of this folder come last. Prints a table, and exits with 1
when anything failed.
"""

import subprocess
import sys
import time

TIMES = (
    *((f"2027-11-17 {hour:02d}:25:00", "UTC") for hour in range(0, 24, 3)),  # eight times of an ordinary day
    # The last day of a month: in UTC, and in the zones of the providers, where it ends at 16:00 and at 20:00 UTC.
    *((f"2027-11-30 {hour}:57:00", "UTC") for hour in (15, 19, 23)),
    *((f"2027-12-31 {hour}:57:00", "UTC") for hour in (15, 19, 23)),
    ("2028-02-28 23:57:00", "UTC"),
    ("2028-02-29 11:00:00", "UTC"),
    ("2028-02-29 23:57:00", "UTC"),
    ("2027-11-07 05:57:00", "America/New_York"),  # 01:57 there; three minutes later it is 01:00 again
    ("2027-03-28 00:57:00", "Europe/Berlin"),  # 01:57 there; three minutes later it is 03:00
    ("2027-10-31 00:57:00", "Europe/Berlin"),  # 02:57 there; three minutes later it is 02:00 again
)


CHAOS_SEEDS = (1, 2, 3)


def run(what: str, *arguments: str) -> bool:
    begun = time.monotonic()
    passed = subprocess.run(["make", *arguments], check=False).returncode == 0
    print(f"{what:<40} {'passed' if passed else 'FAILED'} {(time.monotonic() - begun) / 60:6.1f} min", flush=True)
    return passed


if __name__ == "__main__":
    results = [run(f"{at} UTC, {zone}", "test", f"AT={at}", f"ZONE={zone}") for at, zone in TIMES]
    results.append(run("the large ones", "test-large"))
    moments = "tests/acceptance/test_recovery_moment.py"
    results.append(run("restored to twenty moments", "test-large", "MOMENTS=20", f"T={moments}"))
    results.append(run("twenty-five times the games", "test", "GAMES=25", "T=tests/integration/model"))
    restarts = "tests/integration/test_rolling_restarts.py"
    results.append(run("twenty rolling restarts", "test-large", "RESTARTS=20", f"T={restarts}"))
    results.append(run("tests/proof", "test", "T=tests/proof"))
    results.append(run("odd inputs, at length", "test", "T=tests/unit/fuzz", "FUZZ=50"))
    results += [run(f"chaos, seed {seed}", "chaos", f"SEED={seed}", "MINUTES=30") for seed in CHAOS_SEEDS]
    results.append(run("every deliberate defect", "chaos-bite", "TEST_SIZE=large"))
    sys.exit(not all(results))
