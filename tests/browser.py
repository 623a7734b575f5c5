"""A browser without a screen, for tests of pages: Chromium, spoken to through two pipes (DevTools protocol).

Nothing of it goes over a network, so that several may run at once, and none needs a driver of its own. What the
page said to the console or raised is kept in ``complaints``, what it asked for over any network in ``requests``.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Browser", "browser", "missing"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-default-apps", "--no-default-browser-check", "--metrics-recording-only", "--mute-audio",
    "--disable-breakpad", "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe",
)  # fmt: skip
_PATIENCE = 30.0


def missing() -> str | None:
    """What is lacking for a browser, or None."""
    return None if _program() else f"none of {', '.join(_NAMES)} is installed: script/install-chromium"


def _program() -> str | None:
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page of a browser that runs."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._received = b""
        self._number = 0
        self._session: str | None = None
        self._loaded = False
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, path: Path, *, script: bool = True) -> None:
        """Load a file and wait until it is there. Forgets what earlier pages complained of and asked for."""
        self._call("Emulation.setScriptExecutionDisabled", value=not script)
        self.complaints.clear()
        self.requests.clear()
        self._loaded = False
        self._call("Page.navigate", url=path.as_uri())
        deadline = time.monotonic() + _PATIENCE
        while not self._loaded:
            self._read(deadline)

    def allow_script(self) -> None:
        """Let scripts run from now on; those of a page that is there already do not."""
        self._call("Emulation.setScriptExecutionDisabled", value=False)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, promises waited for. Raises AssertionError where it throws."""
        result = self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def appearance(
        self, *, width: int = 1280, height: int = 900, scheme: str = "light", media: str = "screen"
    ) -> None:
        """How wide the window is, which colours its reader wants, and whether it is a screen."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", media=media, features=features)

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """The whole page, or what the window shows of it, as PNG."""
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self, path: Path) -> None:
        """The page as it is printed, on A4."""
        self._call("Emulation.setEmulatedMedia", media="", features=[])
        printed = self._call(
            "Page.printToPDF",
            printBackground=True,
            preferCSSPageSize=True,
            paperWidth=8.27,
            paperHeight=11.69,
        )
        path.write_bytes(base64.b64decode(printed["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _PATIENCE
        while True:
            answer = self._read(deadline)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser did not answer in time"
            part = os.read(self._from, 1 << 20)
            assert part, "the browser ended"
            self._received += part
        line, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        method, said = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(f"console: {said['args']}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(f"exception: {said['exceptionDetails']}")
        elif method == "Log.entryAdded":
            self.complaints.append(f"log: {said['entry']['text']}")
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append(f"dialog: {said['message']}")
            self._number += 1
            closing = {
                "id": self._number,
                "method": "Page.handleJavaScriptDialog",
                "params": {"accept": False},
            }
            os.write(self._to, json.dumps(closing | {"sessionId": self._session}).encode() + b"\0")
        elif method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """A browser with an empty profile, ended with the block. Raises RuntimeError where none is installed."""
    program = _program()
    if program is None:
        raise RuntimeError(missing())
    from_here, to_browser = os.pipe()
    from_browser, to_here = os.pipe()
    # The browser reads from 3 and writes to 4; the shell puts them there, so ours must be out of the way.
    theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (from_here, to_here)]
    for end in (from_here, to_here):
        os.close(end)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{theirs[0]} 4>&{theirs[1]}', program, *_SWITCHES,
             f"--user-data-dir={profile}", "about:blank"],
            pass_fds=theirs, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile},
        )  # fmt: skip
        for end in theirs:
            os.close(end)
        try:
            yield Browser(to_browser, from_browser)
        finally:
            os.close(to_browser)  # by which it ends
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(from_browser)
