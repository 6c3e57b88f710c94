"""Promise 4: a witness that we did not write cosigns our log, and ours cosigns a log that we did not write.

Both come from the package index (aics-witness, aics-tlog) and live in `.venv-independent` (Python 3.12).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from auditlog.errors import GuardError
from auditlog.guard import Guard
from auditlog.keyring import key_ring
from auditlog.merkle import prove_consistency
from auditlog.note import ED25519, format_vkey, parse_vkey
from auditlog.peers.ask import ask_witnesses
from auditlog.peers.cosign import Cosigner
from auditlog.policy import Policy, Witness, check_policy
from auditlog.publish import Publisher
from auditlog.store.log import read_head, reader, reading

pytestmark = pytest.mark.enable_socket
ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-independent" / "bin" / "python"


@pytest.fixture(scope="module", autouse=True)
def _venv() -> None:
    if PYTHON.exists():
        return
    message = "run tests/independent/setup.sh first: .venv-independent is missing"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def feed(*arguments: str) -> str:
    command = [str(PYTHON), "-I", str(ROOT / "tests/independent/feed.py"), *arguments]
    told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    return told.stdout.strip()


def test_our_witness_cosigns_a_log_that_we_did_not_write(witness_stand, tmp_path):
    """Written by aics-tlog, fed and judged by aics-witness's client; forks and older trees are refused."""
    witness = witness_stand.make_witness(tmp_path / "witness", clock=time.time)
    witness.trust(key_ring([parse_vkey(feed("vkey"))]))
    with witness_stand.served(witness) as url:
        told = json.loads(feed("run", url, format_vkey(witness.vkeys[0])))
    assert told == {"sizes": [3, 8, 300, 300], "fork": 422, "ahead": 300}
    assert [(log.size, log.contradictions) for log in witness.logs()] == [(300, 1)]
    witness.close()


@pytest.fixture
def their_witness(example, tmp_path):
    """`aics-witness` as a process that trusts the example log: (URL, vkey)."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{one.getsockname()[1]}"
    program = [str(PYTHON), "-I", "-m", "aics_witness"]
    config = ["--config", str(tmp_path / "theirs.json")]

    def told(*arguments: str) -> str:
        done = subprocess.run(
            [*program, arguments[0], *config, *arguments[1:]], check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout.strip()

    vkey = told("init", "--name", "theirs.example/w", "--listen", listen)
    signer = next(one for one in example.make_signers() if one.type == ED25519)
    told("add-log", "--origin", example.ORIGIN, "--vkey", format_vkey(signer.vkey))
    process = subprocess.Popen([*program, "serve", *config], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"http://{listen}/healthz", timeout=5).status_code == 200:
                    break
            except httpx.HTTPError:
                assert time.monotonic() < deadline, "aics-witness did not start"
                time.sleep(0.1)
        yield f"http://{listen}", vkey
    finally:
        process.terminate()
        process.wait(30)


def test_their_witness_cosigns_our_published_checkpoints(example, their_witness, tmp_path):
    url, vkey = their_witness
    policy = Policy(example.build_log(40).keys, {}, (Witness("theirs", parse_vkey(vkey), url),), (), "theirs")
    log = example.build_log(300)
    whole = list(log.entries)
    for size in (100, 300):
        # The same log at two sizes: the second extends what was cosigned of the first.
        log.entries[:] = whole[:size]
        folder = tmp_path / str(size)
        folder.mkdir()
        guard = Guard(folder / "guard")
        engine = example.record(log, f"sqlite:///{folder}/greffier.db", guard)
        publisher = Publisher(engine, 1, 60, guard=guard, cosigner=Cosigner(lambda: policy, timeout_s=30))
        assert publisher.advance(), publisher.state()
        assert set(check_policy(policy, publisher.checkpoint(), max_age=600, now=int(time.time()))) == {"theirs"}
        (folder / "note").write_bytes(publisher.checkpoint())
        theirs = json.loads(feed("check", str(folder / "note"), format_vkey(log.signers[0].vkey), vkey))
        assert theirs == {"log": True, "quorum": True}
        engine.dispose()

    # Their witness, too, tells of a log that was rolled back with its guard, and shows our own signature for it.
    engine = example.open_engine(f"sqlite:///{tmp_path}/100/greffier.db")
    with reading(engine) as conn:
        head = read_head(conn, 1)

    def prove(old: int) -> tuple[bytes, ...]:
        with reading(engine) as conn:
            return prove_consistency(old, head.size, reader(conn, 1, head.size))

    with pytest.raises(GuardError, match="300 entries") as told:
        ask_witnesses(policy, key_ring([log.signers[0].vkey]), log.origin, head, size=100, prove=prove, timeout_s=30)
    assert "own keys signed" in str(told.value)
    engine.dispose()
