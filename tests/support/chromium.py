"""A real Chromium without a window, driven over its DevTools protocol; and axe-core, which looks for what keeps
people from reading a page.

axe.min.js beside this file is axe-core 4.14.1 as its makers publish it (Mozilla Public License 2.0).
"""

import asyncio
import base64
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.programs import path_of

AXE = Path(__file__).with_name("axe.min.js")
START_S, ANSWER_S = 180, 180
A4 = (703, 1017)  # CSS pixels between the report's margins


@dataclass
class Page:
    """One tab. requests: the addresses that it asked for. complaints: of its console, and uncaught errors."""

    socket: aiohttp.ClientWebSocketResponse
    loop: asyncio.AbstractEventLoop
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    loaded: int = 0
    _number: int = 0

    def call(self, method: str, **given: Any) -> dict[str, Any]:
        """One DevTools command; its result."""
        return self.loop.run_until_complete(asyncio.wait_for(self._call(method, given), ANSWER_S))

    def open(self, path: Path) -> None:
        """Load a file, and wait until it is there whole."""
        self.go(path.resolve().as_uri())

    def go(self, url: str) -> None:
        """Load what is there, and wait until it is there whole."""
        self.loads(lambda: self.call("Page.navigate", url=url))

    def loads(self, do: Callable[[], Any]) -> None:
        """Do something that loads another page, and wait until that is there whole."""
        before = self.loaded
        do()
        limit = time.monotonic() + ANSWER_S
        while self.loaded == before:
            assert time.monotonic() < limit, "the page did not load"
            self.call("Runtime.evaluate", expression="0")

    def look(self, *, scheme: str = "light", media: str = "screen", width: int = 1280, height: int = 900) -> None:
        """How the reader sees it."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def tell(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def axe(self) -> list[str]:
        """What axe-core has to complain about, rule and place."""
        self.tell(AXE.read_text("utf-8") + "; 0")
        found = self.tell("axe.run().then(found => JSON.stringify(found.violations))")
        return [f"{rule['id']}: {node['html'][:200]}" for rule in json.loads(found) for node in rule["nodes"]]

    def picture(self, path: Path) -> None:
        """The whole page as a picture, PNG; or what is seen of it, WebP."""
        if path.suffix == ".webp":
            shot = self.call("Page.captureScreenshot", format="webp", quality=70)
        else:
            shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self) -> bytes:
        """The page on paper."""
        printed = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(printed["data"])

    async def _call(self, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
        self._number += 1
        number = self._number
        await self.socket.send_json({"id": number, "method": method, "params": given})
        while True:
            message: dict[str, Any] = await self.socket.receive_json()
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._event(message)

    def _event(self, message: Mapping[str, Any]) -> None:
        name, told = message.get("method"), message.get("params", {})
        if name == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif name == "Page.loadEventFired":
            self.loaded += 1
        elif name == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told))
        elif name == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"]["text"])


@contextmanager
def browser() -> Iterator[Page]:
    """A Chromium of its own with one empty tab, gone at the end."""
    command = [
        path_of("chromium", "chromium-browser", "google-chrome"),
        "--headless=new",
        "--remote-debugging-port=0",
        "--disable-gpu",
        "--disable-dev-shm-usage",
    ]
    command += ["--disable-quic", "--disable-component-update", "--disable-sync"]
    command += ["--no-first-run", "--disable-background-networking", "--hide-scrollbars"]
    command += ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([*command, f"--user-data-dir={folder}", "about:blank"], **quiet)  # type: ignore[call-overload]
        loop = asyncio.new_event_loop()
        try:
            port = _port(process, Path(folder) / "DevToolsActivePort")
            session, page = loop.run_until_complete(_tab(port, loop))
            try:
                for domain in ("Page", "Runtime", "Log", "Network"):
                    page.call(f"{domain}.enable")
                yield page
            finally:
                loop.run_until_complete(page.socket.close())
                loop.run_until_complete(session.close())
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            loop.close()


def _port(process: "subprocess.Popen[bytes]", told: Path) -> int:
    limit = time.monotonic() + START_S
    while time.monotonic() < limit:
        assert process.poll() is None, f"chromium ended with {process.returncode}"
        lines = told.read_text().splitlines() if told.exists() else []
        if len(lines) > 1:
            return int(lines[0])
        time.sleep(0.05)
    raise AssertionError("chromium did not say where it listens")


async def _tab(port: int, loop: asyncio.AbstractEventLoop) -> tuple[aiohttp.ClientSession, Page]:
    session = aiohttp.ClientSession()
    async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        tabs = await answer.json()
    address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
    return session, Page(await session.ws_connect(address, max_msg_size=0), loop)
