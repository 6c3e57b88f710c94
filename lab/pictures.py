"""The pictures of the README, taken from a demo: `python -m lab.pictures demo docs/pictures`.

They are real: pages of the served demo, a letter that it wrote, and an audit of its exported log before and after one
byte was changed. Needs the development dependencies and Chromium (`CHROMIUM` names another one).
"""

from __future__ import annotations

import html
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from playwright.sync_api import Page, sync_playwright

from cli.demo.tamper import change_byte_of_entry
from service.wiring import open_home
from web import create_app
from web.server import listening

SYSTEM, WIDTH = "social-loan-check", 760
START_S = 30
_TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; background: #10151c; color: #e6e6e6; font: 15px/1.5 "DejaVu Sans Mono", monospace }
pre { margin: 0; padding: 24px; white-space: pre-wrap; overflow-wrap: anywhere }
b { color: #8ecbff } i { color: #ff9d8a; font-style: normal }
</style><pre>%s</pre>"""


def take(home: Path, folder: Path) -> list[Path]:
    """Write register.png, letter.png and audit.png; returns their paths. Raises OSError where there is no demo."""
    folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 760})
        with _served(home) as address:
            page.goto(f"{address}/register/{SYSTEM}")
            register = _shot(page, folder / "register.png")
        page.goto((home / "reports" / "letter-grant.en.html").absolute().as_uri())
        letter = _shot(page, folder / "letter.png")
        page.set_content(_TERMINAL % _audits(home / "export", home / "keys" / "log.vkey"))
        audit = folder / "audit.png"
        page.locator("pre").screenshot(path=audit)
        browser.close()
    return [register, letter, audit]


def _shot(page: Page, path: Path) -> Path:
    page.screenshot(path=path)
    return path


@contextmanager
def _served(home: Path) -> Iterator[str]:
    with listening("127.0.0.1", 0) as listener, open_home(home) as g:
        server = uvicorn.Server(uvicorn.Config(create_app(g), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            _wait_until_started(server)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _wait_until_started(server: uvicorn.Server) -> None:
    deadline = time.monotonic() + START_S
    while not server.started:
        if time.monotonic() > deadline:
            raise OSError(f"the demo is not served after {START_S} s")
        time.sleep(0.05)


def _audits(tree: Path, keys: Path) -> str:
    """What the verifier of the export says of it, and what it says once one byte of the second entry is another."""
    command = ["verify.pyz", "audit", tree.name, "--vkey", keys.name]
    said = _said(tree, keys)
    with change_byte_of_entry(tree, 1):
        changed = _said(tree, keys)
    prompt = f"<b>$ python {shlex.join(command)}</b>\n"
    note = "<b># one byte of one entry is changed</b>\n"
    return f"{prompt}{html.escape(said)}\n{note}{prompt}<i>{html.escape(changed)}</i>"


def _said(tree: Path, keys: Path) -> str:
    run = [sys.executable, str(tree / "verify.pyz"), "audit", str(tree), "--vkey", str(keys)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    return f"{(done.stdout + done.stderr).replace(str(tree), tree.name)}[exit {done.returncode}]\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = ArgumentParser(prog="python -m lab.pictures", description=__doc__)
    parser.add_argument("home", type=Path, help="folder of a demo")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    options = parser.parse_args(arguments)
    for path in take(options.home, options.folder):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
