"""Small signed trees of any log, witnesses, and servers over them. Conftests load it by path."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from auditlog.core.formats.canonical import format_base64
from auditlog.core.formats.keyring import KeyRing, key_ring
from auditlog.core.formats.merkle import leaf_hash, prove_consistency, root_hash
from auditlog.core.formats.note import ED25519, ML_DSA_44, Note, Signer, format_note
from auditlog.core.formats.policy import Group, Policy
from auditlog.core.formats.policy import Witness as Party
from auditlog.peers.identity import create_witness, open_witness
from auditlog.peers.submission import format_submission
from auditlog.peers.witness import Witness
from web.tlog.witness import create_witness_app, witness_config

ORIGIN = "register.example/audit/1"
NAME = "witness.example/w1"


@dataclass
class Tree:
    """A log of any number of entries; `branch` makes it differ from leaf `fork` on."""

    origin: str = ORIGIN
    seed: int = 1
    fork: int = 1 << 60
    branch: str = ""
    types: tuple[int, ...] = (ED25519, ML_DSA_44)
    signers: tuple[Signer, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.signers = tuple(Signer.generate(self.origin, type_, bytes([self.seed]) * 32) for type_ in self.types)

    @property
    def ring(self):
        return key_ring(signer.vkey for signer in self.signers)

    def leaves(self, size: int) -> list[bytes]:
        return [leaf_hash(f"{i}{self.branch if i >= self.fork else ''}".encode()) for i in range(size)]

    def root(self, size: int) -> bytes:
        return root_hash(self.leaves(size))

    def note(self, size: int, *, root: bytes | None = None, extension: str = "") -> bytes:
        root = self.root(size) if root is None else root
        text = f"{self.origin}\n{size}\n{format_base64(root)}\n{extension}"
        return format_note(Note(text, tuple(signer.sign(text) for signer in self.signers)))

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        leaves = self.leaves(size)

        def read(nodes):
            return [root_hash(leaves[index << level : (index + 1) << level]) for level, index in nodes]

        return prove_consistency(old, size, read)

    def submission(self, old: int, size: int) -> bytes:
        return format_submission(old, self.proof(old, size) if old <= size else (), self.note(size))


class Clock:
    """POSIX seconds that go on when told."""

    def __init__(self, now: float = 1_790_000_000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def make_witness(folder: Path, *, trusts: tuple[Tree, ...] = (), clock=None, name: str = NAME) -> Witness:
    folder.mkdir(parents=True, exist_ok=True)
    create_witness(folder / "keys", folder / "witness.db", name)
    witness = reopen(folder, clock)
    for tree in trusts:
        witness.trust(tree.ring)
    return witness


def reopen(folder: Path, clock=None) -> Witness:
    return open_witness(folder / "keys", folder / "witness.db", clock=clock or Clock())


@contextlib.contextmanager
def serving(app: Any, port: int = 0) -> Iterator[str]:
    """The URL of an ASGI application, served on a port of this machine for as long as the block lasts."""
    server = uvicorn.Server(witness_config(app, "127.0.0.1", port))
    thread = threading.Thread(target=server.run, name="witness", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.02)
        host, found = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{found}"
    finally:
        server.should_exit = True
        thread.join(timeout=60)


def served(witness: Witness, about: dict[str, Any] | None = None, **options: Any) -> Any:
    """A witness over HTTP."""
    return serving(create_witness_app(witness, lambda: about or {}, **({"burst": 1e6} | options)))


def policy_of(witnesses: dict[str, tuple[Witness, str | None]], quorum: str, logs: KeyRing | None = None) -> Policy:
    """A policy in which each witness is a group of its two keys; `quorum` is "any", "all" or a number of them."""
    keys, groups = [], []
    for name, (witness, url) in witnesses.items():
        both = [Party(f"{name}-{vkey.type}", vkey, url) for vkey in witness.vkeys]
        keys += both
        groups.append(Group(name, 2, tuple(one.name for one in both)))
    count = {"any": 1, "all": len(groups)}.get(quorum) or int(quorum)
    groups.append(Group("witnesses", count, tuple(witnesses)))
    return Policy(logs or KeyRing(()), {}, tuple(keys), tuple(groups), "witnesses")
