"""The flame graph: chains of calls as one tree, and the tree as a picture."""

from xml.etree import ElementTree

import pytest

from tests.bench.flame import drawn, folded, origin

SVG = "{http://www.w3.org/2000/svg}"
THREAD = "Thread._bootstrap (threading.py);Thread.run (threading.py);"
LOOP = "<module> (celery/__main__.py);Blueprint.start (celery/bootsteps.py);Blueprint.start (celery/bootsteps.py);"
RAW = f"""{THREAD}spread.<locals>.run (worker/senders.py);Session.send (requests/sessions.py) 30
{THREAD}spread.<locals>.run (worker/senders.py);wrap (contextlib.py);Cursor.execute (psycopg/cursor.py) 10
{LOOP}asynloop (celery/worker/loops.py) 59
{THREAD}a<b&c (json/encoder.py) 1
{THREAD}spread.<locals>.run (worker/senders.py);Session.send (requests/sessions.py);rare (ssl.py) 0
"""


def test_chains_become_one_tree_that_begins_where_a_threads_own_work_does() -> None:
    whole = folded(RAW)
    assert whole.looks == 100
    run, loop, odd = (whole.calls[name] for name in whole.calls)
    assert list(whole.calls) == [
        "worker.senders:spread.run",
        "celery.worker.loops:asynloop",
        "json.encoder:a<b&c",
    ]
    assert (run.looks, loop.looks, odd.looks) == (40, 59, 1)
    assert {name: box.looks for name, box in run.calls.items()} == {
        "requests.sessions:Session.send": 30,
        "psycopg.cursor:Cursor.execute": 10,
    }


def test_a_box_is_as_wide_as_its_share_and_stands_below_who_calls_it() -> None:
    picture = ElementTree.fromstring(drawn(folded(RAW), "2 cores & more"))  # noqa: S314 - ours
    boxes = {
        str(box.findtext(f"{SVG}title")): box.attrib
        for box in picture.iter(f"{SVG}rect")
        if box.find(f"{SVG}title") is not None
    }
    assert set(boxes) == {
        "celery.worker.loops:asynloop: 59.0%",
        "worker.senders:spread.run: 40.0%",
        "requests.sessions:Session.send: 30.0%",
        "psycopg.cursor:Cursor.execute: 10.0%",
        "json.encoder:a<b&c: 1.0%",
    }
    loop, run, send, execute, odd = boxes.values()
    assert [float(box["width"]) for box in (loop, run, send, execute)] == [590, 400, 300, 100]
    assert [float(box["x"]) for box in (loop, run, send, execute)] == [0, 590, 590, 890]
    assert sum(float(box["width"]) for box in (loop, run, odd)) == 1000
    assert run["y"] == loop["y"] < send["y"] == execute["y"]
    assert [box["class"] for box in (loop, run, send, execute)] == ["celery", "ours", "http", "database"]
    assert "2 cores & more" in [text.text for text in picture.iter(f"{SVG}text")]


def test_what_is_narrower_than_a_line_is_not_drawn_and_the_same_chains_make_the_same_picture() -> None:
    wide = "".join(f"{THREAD}{name} (shared/start.py) 350\n" for name in ("one", "other"))
    many = wide + "".join(f"{THREAD}f{number} (shared/start.py) 1\n" for number in range(300))
    picture = drawn(folded(many), "")
    assert "shared.start:one: 35.0%" in picture
    assert "shared.start:f" not in picture
    assert picture == drawn(folded("\n".join(sorted(many.splitlines(), reverse=True))), "")


def test_a_chain_that_was_torn_is_left_out() -> None:
    whole = folded(
        f"{THREAD}whole (shared/start.py) 3\ntorn (shared/start.py);wrong (prometheus_client/values.py) 2\n 1\n"
    )
    assert whole.looks == 3
    assert list(whole.calls) == ["shared.start:whole"]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("send (/srv/made-up/lib/python3.11/site-packages/requests/sessions.py)", "requests.sessions:send"),
        ("dumps (/usr/lib/python3.11/json/__init__.py)", "json:dumps"),
        ("work (/srv/made-up/elsewhere.py)", "elsewhere:work"),
        ("_run_code (<frozen runpy>)", "runpy:_run_code"),
        ("spread.<locals>.<lambda> (worker/senders.py)", "worker.senders:spread.<lambda>"),
        ("<module>", ":<module>"),
    ],
)
def test_a_function_is_told_without_a_folder_of_the_machine(call: str, name: str) -> None:
    assert list(folded(f"{THREAD}{call} 1\n").calls) == [name]


@pytest.mark.parametrize(
    ("looks", "label"), [(200, "HTTPConnectionPool.urlopen"), (100, "urlopen"), (60, "urlopen"), (30, None)]
)
def test_a_name_stands_in_a_box_where_it_fits_and_is_never_cut(looks: int, label: str | None) -> None:
    name = "HTTPConnectionPool.urlopen (urllib3/connectionpool.py)"
    raw = f"{THREAD}{name} {looks}\n{THREAD}{'long' * 99} (shared/start.py) {1000 - looks}\n"
    boxes = ElementTree.fromstring(drawn(folded(raw), "")).find(f"{SVG}g")  # noqa: S314 - ours
    assert boxes is not None
    assert [text.text for text in boxes.iter(f"{SVG}text")] == ([label] if label else [])


@pytest.mark.parametrize("raw", ["", f"{THREAD}idle (shared/start.py) 0\n", "torn (shared/start.py) 9\n"])
def test_a_worker_that_does_nothing_has_no_picture(raw: str) -> None:
    with pytest.raises(ValueError, match="is the worker at work"):
        folded(raw)


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("shared.payments.send:send", "ours"),
        ("sqlalchemy.pool.base:execute", "database"),
        ("socket:recv_into", "http"),
        ("json:dumps", "other"),
        (":<module>", "other"),
    ],
)
def test_whose_a_function_is_its_module_tells(name: str, whose: str) -> None:
    assert origin(name) == whose
