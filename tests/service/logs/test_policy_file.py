"""The policy file: the program keeps its own logs' lines up to date and touches nothing else."""

from __future__ import annotations

import pytest

from auditlog.core.formats.keyring import KeyRing, LogKey, key_ring
from auditlog.core.formats.note import COSIGNATURE, ED25519, ML_DSA_44, Signer, format_vkey
from auditlog.core.formats.policy import parse_policy
from home import policy_file
from home.errors import SettingsError

BASE = "https://log.example"
OWN = [
    Signer.generate("waterveen.example/log/1", type_, bytes([n]) * 32).vkey
    for n, type_ in enumerate((ED25519, ML_DSA_44) * 2)
]
OTHER = Signer.generate("elsewhere.example/log/1", ED25519, b"o" * 32).vkey
WITNESS = Signer.generate("witness.example", COSIGNATURE, b"w" * 32).vkey
TEXT = f"""\
# Ours to write.

log {format_vkey(OTHER)}
# A neighbour.
witness w {format_vkey(WITNESS)} https://witness.example/
quorum w
"""


def test_own_lines_come_in_and_all_else_stays():
    text = policy_file.with_logs(TEXT, key_ring(OWN[:2]), BASE)
    assert [line for line in text.splitlines() if OWN[0].name not in line] == TEXT.splitlines()
    policy = parse_policy(text.encode())
    assert {vkey.name for vkey in policy.logs.vkeys} == {OWN[0].name, OTHER.name}
    assert policy.log_urls[OWN[0]] == "https://log.example/log/1/"
    assert policy.quorum == "w"


def test_a_rotation_replaces_own_lines_and_their_sizes():
    first = policy_file.with_logs(TEXT, key_ring(OWN[:2]), BASE)
    ring = KeyRing(tuple(LogKey(key, 0, 9) for key in OWN[:2]) + tuple(LogKey(key, 5) for key in OWN[2:]))
    second = policy_file.with_logs(first, ring, BASE)
    assert parse_policy(second.encode()).logs.of(OWN[0].name) == ring
    assert policy_file.with_logs(second, ring, BASE) == second
    assert policy_file.with_logs(second, key_ring(OWN[:2]), BASE) == first


def test_a_home_has_one_from_the_start_and_a_damaged_one_is_named(loan_home):
    from service.wiring import open_home

    with open_home(loan_home) as g:
        policy = policy_file.read_policy(g)
        assert policy.logs == g.keys
        assert policy.quorum is None
        assert (loan_home / "policy").read_text().startswith("#")
        before = (loan_home / "policy").read_bytes()
        with pytest.raises(SettingsError, match=r"policy_file.*line 1"):
            policy_file.write_text(g, "witness w\nquorum none\n")
        assert (loan_home / "policy").read_bytes() == before


def test_a_policy_that_was_taken_away_is_missed_and_not_made_anew(loan_home):
    """A fresh one would ask no witness, and nobody would notice."""
    from service.keeping import doctor
    from service.logs import publish
    from service.wiring import open_home

    with open_home(loan_home) as g:
        assert publish.advance(g, at_once=True) in (True, False)
    kept = (loan_home / "policy").read_text()
    (loan_home / "policy").unlink()
    with open_home(loan_home) as g:
        assert not (loan_home / "policy").exists()
        assert [one.place for one in doctor.remarks(g)] == ["policy_file"]
        (loan_home / "policy").write_text("quorum none\n")
    with open_home(loan_home) as g:
        assert doctor.remarks(g) == []
        assert policy_file.read_policy(g).logs == g.keys
    assert parse_policy(kept.encode()).logs == parse_policy((loan_home / "policy").read_bytes()).logs
