#!/usr/bin/env python3
"""Does a verifier notice when a transparency log is tampered with? Point this at any exported log and any verifier.

    python3 tamper.py DIR --vkey FILE [--policy FILE] [--command "python3 verify.pyz audit {dir} --vkey {vkey}"]

DIR is a log in the layout of c2sp.org/tlog-tiles (checkpoint, tile/…, tile/entries/…), FILE the log's verifier keys,
one a line. Each case is a copy of DIR with one thing changed, as somebody would who can write every file and has no
private key; where SHA256SUMS lists a changed checkpoint it is mended. The command is run over each copy: exit 0 means
that it noticed nothing. Printed is a table: the case, who must notice, what the verifier said.

`every`: each verifier of tlog-tiles must notice. `export`: a verifier of Greffier's exports must, since SHA256SUMS and
the list of files are part of that format (left out with --log-only). `-`: nobody needs to notice: the change is
harmless, or it cannot be seen in one copy alone.

Exit: 0 all is noticed that must be, 1 something was not, 2 the question could not be asked. Needs Python 3.11 and
nothing else. DIR is only read. Licence: EUPL-1.2.
"""
# ruff: noqa: T201, S602

from __future__ import annotations

import argparse
import base64
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

WIDTH = 256
EVERY, EXPORT, NOBODY = "every", "export", "-"
Files = dict[str, bytes | None]  # path → new content, None: removed
Case = tuple[str, str, Files]  # name, who must notice, what is changed


# --- the log ----------------------------------------------------------------------------------------------------------


def number_path(n: int) -> str:
    """tlog-tiles: 1234067 is x001/x234/067."""
    parts = [f"{n % 1000:03}"]
    while n >= 1000:
        n //= 1000
        parts.insert(0, f"x{n % 1000:03}")
    return "/".join(parts)


def tile_name(level: int | str, index: int, width: int) -> str:
    return f"tile/{level}/{number_path(index)}" + ("" if width == WIDTH else f".p/{width}")


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: list[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root_of(hashes[:split]), root_of(hashes[split:]))


def build(entries: list[bytes]) -> tuple[Files, bytes]:
    """All tiles and bundles of a log of these entries, and its root."""
    files: Files = {}
    for start in range(0, len(entries), WIDTH):
        part = entries[start : start + WIDTH]
        files[tile_name("entries", start // WIDTH, len(part))] = b"".join(
            len(one).to_bytes(2, "big") + one for one in part
        )
    hashes = leaves = [sha256(b"\x00" + one).digest() for one in entries]
    level = 0
    while hashes:
        for start in range(0, len(hashes), WIDTH):
            part = hashes[start : start + WIDTH]
            files[tile_name(level, start // WIDTH, len(part))] = b"".join(part)
        full = len(hashes) // WIDTH
        hashes = [root_of(hashes[i * WIDTH : (i + 1) * WIDTH]) for i in range(full)]
        level += 1
    return files, root_of(leaves)


@dataclass
class Log:
    """The copy in hand: its files, its entries, and the checkpoint in parts."""

    folder: Path
    files: list[str]
    entries: list[bytes]
    text: list[str]  # origin, size, root
    signatures: list[str]
    known: list[int]  # positions of signature lines by keys of the vkey file
    quorum: bool = False  # whether the policy demands cosignatures

    def read(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def checkpoint(self, text: list[str] | None = None, signatures: list[str] | None = None) -> bytes:
        body, lines = self.text if text is None else text, self.signatures if signatures is None else signatures
        return ("\n".join(body) + "\n\n" + "".join(f"{line}\n" for line in lines)).encode()


def read_log(folder: Path, vkeys: Path) -> Log:
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    head, _, tail = (folder / "checkpoint").read_text("utf-8").rpartition("\n\n")
    text, signatures = head.split("\n"), tail.splitlines()
    size = int(text[1])
    entries: list[bytes] = []
    for index in range(-(-size // WIDTH)):
        path = folder / tile_name("entries", index, min(WIDTH, size - index * WIDTH))
        data = path.read_bytes() if path.exists() else b""
        while data:
            length = 2 + int.from_bytes(data[:2], "big")
            entries.append(data[2:length])
            data = data[length:]
    if len(entries) not in {0, size}:
        raise ValueError(f"the checkpoint states {size} entries, the bundles hold {len(entries)}")
    trusted = key_ids(vkeys.read_text("utf-8"), text[0])
    known = [i for i, line in enumerate(signatures) if (line.split(" ")[1], blob(line)[:4]) in trusted]
    return Log(folder, files, entries, text, signatures, known)


def blob(line: str) -> bytes:
    return base64.b64decode(line.rpartition(" ")[2])


def key_ids(text: str, origin: str) -> set[tuple[str, bytes]]:
    """(name, key id) of each verifier key NAME+ID+KEY of this origin in a text."""
    words = [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]
    keys = [word.rsplit("+", 2) if word.count("+") == 2 else word.split("+", 2) for word in words if "+" in word]
    return {(key[0], bytes.fromhex(key[1])) for key in keys if key[0] == origin}


# --- the cases --------------------------------------------------------------------------------------------------------


def is_of_the_log(path: str) -> bool:
    return path == "checkpoint" or path.startswith("tile/")


def sample(paths: list[str], most: int) -> list[str]:
    """First and last, and others evenly between."""
    if len(paths) <= most:
        return paths
    return sorted({paths[i * (len(paths) - 1) // (most - 1)] for i in range(most)})


def damaged(log: Log, most: int) -> Iterator[Case]:
    """Each file flipped at its first, middle and last byte, cut short, emptied, removed."""
    tiles = [path for path in log.files if path.startswith("tile/")]
    for path in [path for path in log.files if not path.startswith("tile/")] + sample(tiles, most):
        data = log.read(path)
        must = EVERY if is_of_the_log(path) else EXPORT
        for where, position in {"first": 0, "middle": len(data) // 2, "last": len(data) - 1}.items():
            changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
            # Lines by keys that the reader does not know are ignored by rule (signed-note); of cosignatures a quorum
            # may be left.
            loose = path == "checkpoint" and not in_known_part(log, position)
            yield f"{path}: {where} byte flipped", NOBODY if loose else must, {path: changed}
        # The last line break of a checkpoint: a lenient reader loses nothing that was signed.
        yield f"{path}: last byte cut off", EXPORT if path == "checkpoint" else must, {path: data[:-1]}
        yield f"{path}: cut in half", must, {path: data[: len(data) // 2]}
        yield f"{path}: emptied", must, {path: b""}
        yield f"{path}: removed", must, {path: None}


def in_known_part(log: Log, position: int) -> bool:
    at = len("\n".join(log.text).encode()) + 2
    if position < at:
        return True
    for i, line in enumerate(log.signatures):
        at += len(line.encode()) + 1
        if position < at:
            return i in log.known
    return True


def rewritten(log: Log) -> Iterator[Case]:
    """Entries changed with all tiles built anew, under the old checkpoint, or with its size and root rewritten."""
    entries, last = log.entries, len(log.entries) - 1
    places = {"first": 0, "middle": last // 2, "last": last}
    for name, i in places.items():
        other = entries[i][:-2] + bytes([entries[i][-2] ^ 1]) + entries[i][-1:] if len(entries[i]) > 1 else b"other"
        yield from rebuilt(log, f"{name} entry changed", [*entries[:i], other, *entries[i + 1 :]])
        yield from rebuilt(log, f"{name} entry deleted", [*entries[:i], *entries[i + 1 :]])
        yield from rebuilt(log, f"{name} entry doubled", [*entries[: i + 1], *entries[i:]])
    if last > 0:
        yield from rebuilt(log, "first two entries exchanged", [entries[1], entries[0], *entries[2:]])
        yield from rebuilt(log, "all entries reversed", entries[::-1])
        swapped = [entries[1], entries[0], *entries[2:]]
        bundle = tile_name("entries", 0, min(WIDTH, len(entries)))
        yield "two entries exchanged in their bundle alone", EVERY, {bundle: build(swapped)[0][bundle]}
    yield from rebuilt(log, "an entry inserted in the middle", [*entries[: last // 2], b"{}", *entries[last // 2 :]])
    yield from rebuilt(log, "an entry appended", [*entries, b"{}"])
    yield from rebuilt(log, "all entries removed", [])


def rebuilt(log: Log, name: str, entries: list[bytes]) -> Iterator[Case]:
    files, root = build(entries)
    if entries == log.entries:
        return  # a log of equal entries: nothing is changed
    gone: Files = {path: None for path in log.files if path.startswith("tile/")}
    text = [log.text[0], str(len(entries)), base64.b64encode(root).decode(), *log.text[3:]]
    yield f"{name}, tiles rebuilt", EVERY, gone | files
    yield f"{name}, tiles rebuilt, size and root rewritten", EVERY, gone | files | {"checkpoint": log.checkpoint(text)}


def signed(log: Log) -> Iterator[Case]:
    """The checkpoint's text and its signature lines."""
    origin, size, root = log.text[:3]
    other_root = base64.b64encode(sha256(root.encode()).digest()).decode()
    texts = {
        "another origin": [f"{origin}x", size, root],
        "a smaller size": [origin, str(int(size) - 1), root],
        "a larger size": [origin, str(int(size) + 1), root],
        "another root": [origin, size, other_root],
        "an extension line": [*log.text, "more"],
        "a size with a zero before it": [origin, f"0{size}", root],
    }
    for name, text in texts.items():
        yield f"checkpoint: {name}", EVERY, {"checkpoint": log.checkpoint(text)}
    lines, known = log.signatures, log.known
    for i in known:
        stripped = [line for j, line in enumerate(lines) if j != i]
        yield (
            f"checkpoint: known signature line {i + 1} stripped",
            EVERY,
            {"checkpoint": log.checkpoint(None, stripped)},
        )
        data = blob(lines[i])
        wrong = lines[i].rpartition(" ")[0] + " " + base64.b64encode(data[:-1] + bytes([data[-1] ^ 1])).decode()
        false = [wrong if j == i else line for j, line in enumerate(lines)]
        yield f"checkpoint: signature line {i + 1} false", EVERY, {"checkpoint": log.checkpoint(None, false)}
    own = [line for i, line in enumerate(lines) if i in known]
    if own != lines:
        # Whether anybody misses them, the policy says.
        demanded = EVERY if log.quorum else NOBODY
        yield "checkpoint: all other signature lines stripped", demanded, {"checkpoint": log.checkpoint(None, own)}
    yield "checkpoint: all signature lines stripped", EVERY, {"checkpoint": log.checkpoint(None, [])}
    yield "checkpoint: first signature line twice", NOBODY, {"checkpoint": log.checkpoint(None, [lines[0], *lines])}
    if len(lines) > 1:
        yield "checkpoint: signature lines in another order", NOBODY, {"checkpoint": log.checkpoint(None, lines[::-1])}


def mixed(log: Log) -> Iterator[Case]:
    """Stale, exchanged, added files; what no check of one copy can see."""
    partial = [path for path in log.files if ".p/" in path]
    for path in partial:
        data, width = log.read(path), int(path.rpartition("/")[2])
        if "entries" not in path and width > 1:
            yield f"{path}: stale, as of one hash fewer", EVERY, {path: data[:-32]}
        if width > 1:
            stale = f"{path.rpartition('/')[0]}/{width - 1}"
            yield f"{stale}: left over beside it", EXPORT, {stale: data[:-32] if "entries" not in path else data}
    full = [path for path in log.files if path.startswith("tile/0/") and ".p/" not in path]
    if len(full) > 1:
        yield f"{full[0]} and {full[1]}: exchanged", EVERY, {full[0]: log.read(full[1]), full[1]: log.read(full[0])}
    yield "note.txt: a file added", EXPORT, {"note.txt": b"more\n"}
    yield "tile/entries/README: a file added", EXPORT, {"tile/entries/README": b"more\n"}
    others = [path for path in ("README.txt", "verify.pyz", "log.vkey") if path in log.files]
    if others and "SHA256SUMS" in log.files:
        changed: Files = {path: log.read(path) + b"# more\n" for path in others}
        yield f"{', '.join(others)}: replaced together with SHA256SUMS", NOBODY, {**changed, "SHA256SUMS": b""}


def cut(log: Log, older: Path) -> Case:
    """The whole copy as it was at an older size, under the checkpoint that was truly signed then."""
    note = older.read_bytes()
    size = int(note.split(b"\n")[1])
    gone: Files = {path: None for path in log.files if path.startswith("tile/")}
    return f"cut to {size} entries, under the checkpoint of then", NOBODY, {
        **gone, **build(log.entries[:size])[0], "checkpoint": note,
    }  # fmt: skip


# --- running them -----------------------------------------------------------------------------------------------------


def make_copy(log: Log, files: Files, to: Path) -> None:
    """DIR with these files changed; SHA256SUMS is mended for the checkpoint, and for all where it is given as empty."""
    files = dict(files)
    if "SHA256SUMS" in log.files and files.get("SHA256SUMS", b"x") is not None:
        mend = set(files) if files.get("SHA256SUMS") == b"" and len(files) > 1 else {"checkpoint"}
        if mend & set(files):
            lines = (log.read("SHA256SUMS").decode()).splitlines()
            new = {name: sha256(files[name] or b"").hexdigest() for name in mend & set(files)}
            files["SHA256SUMS"] = "".join(f"{new.get(line[66:], line[:64])}  {line[66:]}\n" for line in lines).encode()
    for path in {*log.files, *files}:
        data = files[path] if path in files else log.read(path)
        if data is not None:
            (to / path).parent.mkdir(parents=True, exist_ok=True)
            (to / path).write_bytes(data)


def linked(log: Log, run: Callable[[Path], tuple[int, str]], to: Path) -> tuple[int, str]:
    make_copy(log, {}, to)
    path = to / log.files[-1]
    target = to.parent / "elsewhere"
    path.replace(target)
    path.symlink_to(target)
    return run(to)


def runner(command: str, vkeys: Path, policy: Path | None) -> Callable[[Path], tuple[int, str]]:
    def run(folder: Path) -> tuple[int, str]:
        names = {"dir": folder.resolve(), "vkey": vkeys.resolve(), "policy": policy.resolve() if policy else ""}
        filled = command.format(**{name: shlex.quote(str(path)) for name, path in names.items()})
        told = subprocess.run(filled, shell=True, capture_output=True, timeout=600, check=False)
        lines = (told.stdout + told.stderr).decode("utf-8", "backslashreplace").strip().splitlines()
        return told.returncode, lines[-1] if lines else ""

    return run


def judge(log: Log, case: Case, run: Callable[[Path], tuple[int, str]]) -> dict[str, object]:
    name, must, files = case
    with tempfile.TemporaryDirectory(prefix="tamper-") as folder:
        copy = Path(folder) / "log"
        copy.mkdir()
        if "\0link" in files:
            code, sentence = linked(log, run, copy)
        else:
            make_copy(log, files, copy)
            code, sentence = run(copy)
    return {"case": name, "must": must, "noticed": code != 0, "exit": code, "sentence": sentence.replace(folder, "…")}


def main() -> int:
    parser = argparse.ArgumentParser(description="Tampered copies of an exported log, held against a verifier.")
    parser.add_argument("dir", type=Path, metavar="DIR", help="an exported log (c2sp.org/tlog-tiles)")
    parser.add_argument("--vkey", type=Path, required=True, metavar="FILE", help="the log's verifier keys")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="a policy (c2sp.org/tlog-policy)")
    parser.add_argument("--command", help="the verifier; {dir}, {vkey}, {policy} are filled in; exit 0: all well")
    parser.add_argument("--older", type=Path, metavar="FILE", help="a checkpoint that the log signed earlier")
    parser.add_argument("--log-only", action="store_true", help="leave out what only Greffier's exports have")
    parser.add_argument("--files", type=int, default=24, metavar="N", help="damage at most N of the tiles (24)")
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tamper-") as safe:
        command = options.command
        try:
            log = read_log(options.dir, options.vkey)
            if options.policy is not None:
                words = [line.split() for line in options.policy.read_text("utf-8").splitlines()]
                log.quorum = any(line[:1] == ["quorum"] and line[1:] != ["none"] for line in words)
            if command is None:
                # The verifier that came along, kept where no case changes it.
                own = shutil.copy(options.dir / "verify.pyz", safe)
                policy = " --policy {policy}" if options.policy else ""
                command = f"{shlex.quote(sys.executable)} {shlex.quote(str(own))} audit {{dir}} --vkey {{vkey}}{policy}"
        except (OSError, ValueError, IndexError) as error:
            print(f"error: {options.dir} cannot be used: {error}", file=sys.stderr)
            return 2
        run = runner(command, options.vkey, options.policy)
        code, sentence = run(options.dir)
        if code or not log.known:
            print(f"error: the untouched log must pass, under keys that signed it: {sentence}", file=sys.stderr)
            return 2
        cases = list(all_cases(log, options))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(lambda case: judge(log, case, run), cases))
    return tell(found, as_json=options.json)


def all_cases(log: Log, options: argparse.Namespace) -> Iterator[Case]:
    made = [*damaged(log, options.files), *signed(log), *mixed(log)]
    if log.entries:
        made += rewritten(log)
        if options.older is not None:
            made.append(cut(log, options.older))
    made.append(("a file replaced by a link to the same bytes", EXPORT, {"\0link": None}))
    for case in made:
        if not (options.log_only and (case[1] == EXPORT or not any(map(is_of_the_log, case[2])))):
            yield case


def tell(found: list[dict[str, object]], *, as_json: bool) -> int:
    missed = [one for one in found if one["must"] != NOBODY and not one["noticed"]]
    if as_json:
        print(json.dumps({"ok": not missed, "cases": found}, indent=1, ensure_ascii=False))
        return 1 if missed else 0
    for one in found:
        verdict = "noticed" if one["noticed"] else "MISSED" if one in missed else "not noticed"
        print(f"{verdict:<11}  {one['must']:<6}  {one['case']}\n{'':21}{str(one['sentence'])[:160]}")
    must = sum(one["must"] != NOBODY for one in found)
    print(f"\n{len(found)} cases, {must} of which must be noticed: {must - len(missed)} were, {len(missed)} were not.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
