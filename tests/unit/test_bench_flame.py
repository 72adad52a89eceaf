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
        "spread.<locals>.run (worker/senders.py)",
        "asynloop (celery/worker/loops.py)",
        "a<b&c (json/encoder.py)",
    ]
    assert (run.looks, loop.looks, odd.looks) == (40, 59, 1)
    assert {name: box.looks for name, box in run.calls.items()} == {
        "Session.send (requests/sessions.py)": 30,
        "Cursor.execute (psycopg/cursor.py)": 10,
    }


def test_a_box_is_as_wide_as_its_share_and_stands_below_who_calls_it() -> None:
    picture = ElementTree.fromstring(drawn(folded(RAW), "2 cores & more"))  # noqa: S314 - ours
    boxes = {
        str(box.findtext(f"{SVG}title")): box.attrib
        for box in picture.iter(f"{SVG}rect")
        if box.find(f"{SVG}title") is not None
    }
    assert set(boxes) == {
        "asynloop (celery/worker/loops.py): 59.0%",
        "spread.<locals>.run (worker/senders.py): 40.0%",
        "Session.send (requests/sessions.py): 30.0%",
        "Cursor.execute (psycopg/cursor.py): 10.0%",
        "a<b&c (json/encoder.py): 1.0%",
    }
    loop, run, send, execute, _ = boxes.values()
    assert [float(box["width"]) for box in (loop, run, send, execute)] == [590, 400, 300, 100]
    assert [float(box["x"]) for box in (loop, run, send, execute)] == [0, 590, 590, 890]
    assert run["y"] == loop["y"] < send["y"] == execute["y"]
    assert [box["class"] for box in (loop, run, send, execute)] == ["celery", "ours", "http", "database"]
    assert "2 cores & more" in [text.text for text in picture.iter(f"{SVG}text")]


def test_what_is_narrower_than_a_line_is_not_drawn_and_the_same_chains_make_the_same_picture() -> None:
    many = "".join(f"f{number} (shared/start.py) 1\n" for number in range(300)) + "whole (shared/start.py) 700\n"
    picture = drawn(folded(many), "")
    assert "f0 " not in picture
    assert picture == drawn(folded("\n".join(sorted(many.splitlines(), reverse=True))), "")


@pytest.mark.parametrize("raw", ["", "idle (shared/start.py) 0\n"])
def test_a_worker_that_does_nothing_has_no_picture(raw: str) -> None:
    with pytest.raises(ValueError, match="is the worker at work"):
        folded(raw)


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("send (shared/payments/send.py)", "ours"),
        ("execute (sqlalchemy/pool/base.py)", "database"),
        ("recv_into (socket.py)", "http"),
        ("dumps (json/__init__.py)", "other"),
        ("<module>", "other"),
    ],
)
def test_a_function_is_told_by_its_folder(name: str, whose: str) -> None:
    assert origin(name) == whose
