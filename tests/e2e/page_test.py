#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""page_test.py PROGRAM [PICTURES]: clicks through the gateway's page in Chromium, without a screen; keeps pictures of it."""
import base64
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

PATIENCE = 60
SKIPPED = 77


class Browser:
    """Chromium over its debugging protocol, which is JSON over a WebSocket (RFC 6455)."""

    def __init__(self, program, folder):
        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0",
             "--remote-allow-origins=*", "--user-data-dir=" + folder, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        port = None
        for line in self.process.stderr:
            if found := re.search(r"ws://127\.0\.0\.1:(\d+)/", line):
                port = int(found[1])
                break
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=PATIENCE) as answer:
            target = next(one for one in json.load(answer) if one["type"] == "page")
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        path = target["webSocketDebuggerUrl"].split(str(port), 1)[1]
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        self.number = 0
        self.refusals = []
        self.call("Page.enable")
        self.call("Log.enable")
        self.call("Runtime.enable")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.socket.close()

    def exactly(self, count):
        data = b""
        while len(data) < count:
            data += self.socket.recv(count - len(data))
        return data

    def message(self):
        text = b""
        while True:
            first, second = self.exactly(2)
            size = second & 127
            if size > 125:
                size = struct.unpack(">H" if size == 126 else ">Q", self.exactly(2 if size == 126 else 8))[0]
            text += self.exactly(size)
            if first & 128:
                return json.loads(text)

    def call(self, method, **parameters):
        self.number += 1
        text = json.dumps({"id": self.number, "method": method, "params": parameters}).encode()
        size = struct.pack(">BB", 0x81, 0x80 | len(text)) if len(text) < 126 else struct.pack(">BBH", 0x81, 0xfe, len(text))
        mask = os.urandom(4)
        self.socket.sendall(size + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(text)))
        while True:
            answer = self.message()
            if answer.get("method") == "Runtime.exceptionThrown" or (
                    answer.get("method") == "Log.entryAdded" and "Content Security Policy" in answer["params"]["entry"]["text"]):
                self.refusals.append(answer["params"])
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(answer["error"])
                return answer["result"]

    def evaluate(self, script):
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def until(self, script):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if value := self.evaluate(script):
                    return value
            except RuntimeError:
                pass  # between two pages
            if time.monotonic() > end:
                raise AssertionError(f"never true: {script}; the page says: " + str(self.evaluate("document.body.innerText")))

    def picture(self, width, height, dark, file):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        wide = self.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"at {width} px the page is {wide} px wide"
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        with open(file, "wb") as out:
            out.write(base64.b64decode(data))


def check(browser, address, key, pictures, folder):
    browser.call("Page.navigate", url=address)
    browser.until("document.querySelector('input[type=password]') !== null")
    browser.evaluate(f"document.getElementById('key').value = {json.dumps(key)}; document.querySelector('form').requestSubmit()")
    browser.until("document.body.dataset.ready === 'yes'")
    assert "yonder_session" not in browser.evaluate("document.cookie")

    def choose(task):
        browser.evaluate(f"at('task').value = {json.dumps(task)}; at('task').dispatchEvent(new Event('change'))")

    def call(*values):
        for i, value in enumerate(values):
            browser.evaluate(f"at('argument-{i}').value = {json.dumps(value)}")
        browser.evaluate("at('arguments').requestSubmit()")

    # A result that would be a script stays text.
    choose("echo")
    hostile = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    call(hostile)
    browser.until("document.querySelector('#result pre') !== null")
    assert browser.evaluate("document.querySelector('#result pre').textContent") == hostile
    assert browser.evaluate("document.querySelectorAll('#result img, #result script').length") == 0

    choose("divide")
    call("1", "0")
    browser.until("document.querySelector('#result .problem') !== null")
    assert "division by zero" in browser.evaluate("at('result').innerText")

    # Beyond what a number of JavaScript holds.
    choose("same")
    for number in ("9007199254740993", "-9223372036854775808", "7"):
        call(number)
        browser.until(f"document.querySelector('#result pre')?.textContent === '{number}'")

    # A stream that has no end leaves the page usable, and is stopped.
    choose("endless")
    call()
    browser.until("at('result').innerText.includes('The latest ') && document.querySelector('#result button') !== null")
    browser.evaluate("document.querySelector('#result button').click()")
    browser.until("at('result').innerText.includes('The latest ') && document.querySelector('#result button') === null")

    choose("moods")
    call()
    browser.until("document.querySelectorAll('#result meter').length === 2")
    choose("dot")
    call()
    browser.until("document.querySelector('#result img') !== null && document.querySelector('#result img').naturalWidth === 1")

    # A call that takes long shows how far it is; it is listed, found and cancelled.
    choose("wait_for_stop")
    call()
    browser.until("document.querySelector('#result progress')?.value === 0.4")
    assert "40 %, 40 of 100 pages" in browser.evaluate("at('result').innerText")
    browser.until("refresh().then(() => document.querySelector('#calls button') !== null && document.querySelector('#calls progress') !== null)")
    browser.evaluate("at('search').value = 'wait_for'; at('search').dispatchEvent(new Event('input'))")
    # Who runs it, and why it is where it is.
    browser.until("refresh().then(() => at('workers').innerText.includes('runs'))")
    assert "default" in browser.evaluate("at('pools').innerText")
    browser.evaluate("listPools([{name: 'far', workers: 0, idle_workers: 0, starting_workers: 1, queued: 3, max: 4, needs: '', why: 'its job 17 waits: <b>Priority</b>\\nsqueue: no'}])")
    assert browser.evaluate("document.querySelector('#reasons pre').textContent") == "its job 17 waits: <b>Priority</b>\nsqueue: no"
    assert "far" in browser.evaluate("at('reasons').innerText")
    browser.evaluate("document.querySelector('#calls button[aria-label^=Explain]').click()")
    browser.until("at('explained').innerText.includes('with a worker')")
    # What it prints, as text, and to its end.
    browser.evaluate("document.querySelector('#calls button[aria-label^=Logs]').click()")
    browser.until("at('printed').textContent === 'page <b>40</b>\\n'")
    assert browser.evaluate("document.querySelectorAll('#printed b').length") == 0
    browser.picture(1440, 900, False, os.path.join(pictures, "page-1440.png"))
    browser.picture(360, 740, True, os.path.join(pictures, "page-360-dark.png"))
    browser.evaluate("document.querySelector('#calls button[aria-label^=Cancel]').click()")
    browser.until("document.querySelector('#result .problem') !== null && at('result').innerText.includes('cancelled')")
    browser.until("refresh().then(() => at('calls').innerText.includes('cancelled'))")
    browser.evaluate("at('search').value = 'nothing like it'; at('search').dispatchEvent(new Event('input'))")
    assert browser.evaluate("document.querySelectorAll('#calls tbody tr').length") == 0

    # A map that goes on has a bar, until it is over.
    browser.evaluate("at('search').value = ''; at('search').dispatchEvent(new Event('input'))")
    choose("map_that_waits")
    call()
    browser.until("refresh().then(() => document.querySelector('#maps progress')?.value === 0.75)")
    row = browser.evaluate("[...document.querySelector('#maps tbody tr').cells].map((one) => one.textContent)")
    assert row[:5] == ["element", "75 %", "3", "0", "4"] and row[6].endswith(" s"), row
    for width in (1440, 360):
        browser.picture(width, 900, False, os.path.join(folder, "map.png"))  # it fits
    browser.evaluate("document.querySelector('#calls button[aria-label^=Cancel]').click()")
    browser.until("refresh().then(() => at('maps-part').hidden)")

    # By keyboard: everything that can be used can be reached.
    browser.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(30):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.add(browser.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"leave", "task", "search", "Call"} <= reached, reached

    assert browser.evaluate("document.title") == "Yonder"
    assert browser.refusals == [], browser.refusals
    # The word of the session is in no address and no cookie; a tab without it signs in again.
    assert browser.evaluate("location.href").endswith("/"), browser.evaluate("location.href")
    browser.evaluate("sessionStorage.clear(); location.reload()")
    browser.until("document.querySelector('input[type=password]') !== null")
    browser.evaluate(f"document.getElementById('key').value = {json.dumps(key)}; document.querySelector('form').requestSubmit()")
    browser.until("document.body.dataset.ready === 'yes'")
    browser.evaluate("at('leave').click()")
    browser.until("document.querySelector('input[type=password]') !== null")


def main():
    browser_program = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_program is None:
        print("skipped: chromium is not installed")
        return SKIPPED
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        pictures = sys.argv[2] if len(sys.argv) > 2 else folder
        keys = os.path.join(folder, "keys")
        server = subprocess.Popen([sys.argv[1], "--yonder-serve", "127.0.0.1:0", "--keys", keys], stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True)
        address = server.stdout.readline().strip()
        with open(keys) as file:
            key = next(line.split()[0] for line in file if not line.startswith("#"))
        browser = Browser(browser_program, os.path.join(folder, "profile"))
        try:
            check(browser, address, key, pictures, folder)
        finally:
            browser.close()
            server.terminate()
            server.wait(PATIENCE)
            server.stdout.close()
    print("the page does what it shows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
