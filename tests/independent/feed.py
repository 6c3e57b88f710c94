"""Run by .venv-independent: a log written by aics-tlog, fed to a witness of ours by a client that is not ours.

Usage: feed.py vkey                      prints the log's verifier key
       feed.py run URL WITNESS_VKEY      feeds it, tries a fork and an older tree; prints one JSON object
       feed.py check NOTE LOG_VKEY WITNESS_VKEY   does our published checkpoint meet a policy of this one witness?
"""

import json
import sys
from pathlib import Path

from aics_tlog import (
    Checkpoint,
    IncrementalTileWriter,
    MemoryTileStore,
    WitnessPolicy,
    consistency_proof_from_tiles,
    format_vkey,
    note,
    parse_vkey,
    sign_checkpoint,
    verify_checkpoint,
    vkey_from_ed25519,
)
from aics_witness.feeder import WitnessAhead, WitnessClient, WitnessRejected
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "aics.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))  # a test key


class Log:
    def __init__(self, branch=""):
        self.store = MemoryTileStore()
        self.writer = IncrementalTileWriter(self.store, prune_partials=False)
        self.branch = branch

    def grow(self, size):
        self.writer.append(f"{i}{self.branch if i >= 5 else ''}".encode() for i in range(self.writer.size, size))
        return sign_checkpoint(Checkpoint(ORIGIN, size, self.writer.root()), KEY, ORIGIN).to_bytes()

    def prove(self, old, new):
        return consistency_proof_from_tiles(self.store, old, new)


def run(url, witness):
    log, fork = Log(), Log("x")
    found = {"sizes": []}
    with WitnessClient(url, witness) as client:
        for size in (3, 8, 300, 300):
            note = log.grow(size)
            signed = client.submit(note, log.prove)
            verified = verify_checkpoint(
                parse(note, signed), vkey_from_ed25519(ORIGIN, KEY.public_key()), policy=policy(witness)
            )
            assert verified.log_ok, verified.error
            assert verified.ok, verified.error
            found["sizes"].append(size)
        try:
            client.submit(fork.grow(300), fork.prove)
        except WitnessRejected as error:
            found["fork"] = error.status
        try:
            client.submit(Log().grow(8), log.prove)
        except WitnessAhead as error:
            found["ahead"] = error.known_size
    print(json.dumps(found))


def check(path, log, witness):
    result = verify_checkpoint(note.parse_note(Path(path).read_bytes()), parse_vkey(log), policy=policy(witness))
    print(json.dumps({"log": result.log_ok, "quorum": result.ok}))


def parse(data, lines):
    return note.parse_note(data + lines.encode())


def policy(witness):
    return WitnessPolicy(1, (parse_vkey(witness),))


if sys.argv[1] == "vkey":
    print(format_vkey(vkey_from_ed25519(ORIGIN, KEY.public_key())))
else:
    {"run": run, "check": check}[sys.argv[1]](*sys.argv[2:])
