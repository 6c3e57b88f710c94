"""Promise 4: a witness that we did not write cosigns our log, and ours cosigns a log that we did not write.

Both come from the package index (aics-witness, aics-tlog) and live in `.venv-independent` (Python 3.12).
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from auditlog.core.errors import GuardError
from auditlog.core.formats.keyring import key_ring
from auditlog.core.formats.merkle import prove_consistency
from auditlog.core.formats.note import ED25519, format_vkey, parse_vkey
from auditlog.core.formats.policy import Policy, Witness, check_policy
from auditlog.peers.ask_witnesses import ask_witnesses
from auditlog.peers.cosign import Cosigner
from auditlog.store.log import read_head, reader, reading
from auditlog.writing.guard import Guard
from auditlog.writing.publish import Publisher

pytestmark = pytest.mark.enable_socket
ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-independent" / "bin" / "python"


@pytest.fixture
def feed(theirs):
    def fed(*arguments: str) -> str:
        told = subprocess.run(
            theirs.command("feed.py", *arguments), check=False, capture_output=True, text=True, timeout=120
        )
        assert told.returncode == 0, told.stderr
        return told.stdout.strip()

    return fed


def test_our_witness_cosigns_a_log_that_we_did_not_write(witness_stand, tmp_path, feed):
    """Written by aics-tlog, fed and judged by aics-witness's client; forks and older trees are refused."""
    witness = witness_stand.make_witness(tmp_path / "witness", clock=time.time)
    witness.trust(key_ring([parse_vkey(feed("vkey"))]))
    with witness_stand.served(witness) as url:
        told = json.loads(feed("run", url, format_vkey(witness.vkeys[0])))
    assert told == {"sizes": [3, 8, 300, 300], "fork": 422, "ahead": 300}
    assert [(log.size, log.contradictions) for log in witness.logs()] == [(300, 1)]
    witness.close()


@pytest.fixture
def their_witness(theirs, example, tmp_path, free_port):
    """`aics-witness` as a process that trusts the example log: (URL, vkey)."""
    signer = next(one for one in example.make_signers() if one.type == ED25519)
    with theirs.witness(tmp_path / "theirs.json", free_port(), example.ORIGIN, format_vkey(signer.vkey)) as running:
        yield running


def test_their_witness_cosigns_our_published_checkpoints(example, their_witness, tmp_path, feed):
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
