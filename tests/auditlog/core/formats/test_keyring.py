"""Keys have sizes: which keys sign at which size, and the one spelling of that in a key file."""

from __future__ import annotations

import re

import pytest

from auditlog.core.errors import FormatError, SignatureError
from auditlog.core.formats.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from auditlog.core.formats.keyring import KeyRing, LogKey, format_key_ring, key_digest, key_ring, parse_key_ring
from auditlog.core.formats.note import ED25519, ML_DSA_44, Signer, format_vkey

ORIGIN, NEXT = "register.example/1", "register.example/2"
OLD_ED, NEW_ED, OLD_ML = (
    Signer.generate(ORIGIN, kind, bytes([seed]) * 32) for kind, seed in ((ED25519, 1), (ED25519, 2), (ML_DSA_44, 3))
)
OTHER = Signer.generate(NEXT, ED25519, bytes([4]) * 32)
RING = KeyRing(
    (
        LogKey(OLD_ED.vkey, 0, 8),
        LogKey(NEW_ED.vkey, 6),
        LogKey(OLD_ML.vkey),
        LogKey(OTHER.vkey),
    )
)
TEXT = (
    f"# valid from 0 until 8\n{format_vkey(OLD_ED.vkey)}\n# valid from 6\n{format_vkey(NEW_ED.vkey)}\n"
    f"{format_vkey(OLD_ML.vkey)}\n{format_vkey(OTHER.vkey)}\n"
)


def test_one_spelling() -> None:
    assert format_key_ring(RING) == TEXT
    assert parse_key_ring(TEXT) == RING
    assert parse_key_ring("# keys of the register\n\n" + TEXT) == RING
    assert key_digest(OLD_ED.vkey).startswith("sha256:")
    assert len({key_digest(key) for key in RING.vkeys}) == 4


@pytest.mark.parametrize(
    ("size", "keys"),
    [
        (0, (OLD_ED, OLD_ML)),
        (5, (OLD_ED, OLD_ML)),
        (6, (OLD_ED, NEW_ED, OLD_ML)),
        (7, (OLD_ED, NEW_ED, OLD_ML)),
        (8, (NEW_ED, OLD_ML)),
        (2**64 - 1, (NEW_ED, OLD_ML)),
    ],
)
def test_keys_at_a_size_both_ends_of_the_overlap(size: int, keys: tuple[Signer, ...]) -> None:
    assert RING.at(ORIGIN, size) == tuple(signer.vkey for signer in keys)
    assert RING.at(NEXT, size) == (OTHER.vkey,)


def test_the_logs_of_a_ring() -> None:
    assert RING.origins == (ORIGIN, NEXT)
    assert RING.of(NEXT) == key_ring([OTHER.vkey])
    assert RING.of(NEXT).only_origin() == NEXT
    with pytest.raises(FormatError, match="one log"):
        RING.only_origin()
    with pytest.raises(SignatureError, match="get the file that names this log"):
        RING.of("register.example/3")
    with pytest.raises(SignatureError, match="no key that is valid at size 9"):
        KeyRing((LogKey(OLD_ED.vkey, 0, 8),)).at(ORIGIN, 9)


@pytest.mark.parametrize("size", [1, 5, 6, 7, 8, 100])
def test_every_key_valid_at_the_size_must_sign_and_no_other_need(size: int) -> None:
    checkpoint = Checkpoint(ORIGIN, size, bytes(32))
    valid = [signer for signer in (OLD_ED, NEW_ED, OLD_ML) if signer.vkey in RING.at(ORIGIN, size)]
    assert open_checkpoint(sign_checkpoint(checkpoint, valid), RING, origin=ORIGIN).by == RING.at(ORIGIN, size)
    for missing in valid:
        rest = [signer for signer in (OLD_ED, NEW_ED, OLD_ML) if signer is not missing]
        with pytest.raises(SignatureError, match="is missing"):
            open_checkpoint(sign_checkpoint(checkpoint, rest), RING, origin=ORIGIN)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "log.vkey"),
        ("# only a comment\n", "log.vkey"),
        (TEXT[:-1], "log.vkey"),
        (TEXT + format_vkey(OTHER.vkey) + "\n", "log.vkey"),
        ("key\n", "log.vkey line 1"),
        (TEXT.replace("# valid from 6\n", "# valid from 06\n"), "log.vkey line 3"),
        (TEXT.replace("# valid from 6\n", "# valid from 6 \n"), "log.vkey line 3"),
        (TEXT.replace("until 8", "till 8"), "log.vkey line 1"),
        (TEXT.replace("until 8", "until 0"), "log.vkey line 2"),
        (TEXT.replace("# valid from 6\n", "# valid from 6\n# valid from 7\n"), "log.vkey line 3"),
        (TEXT + "# valid from 9\n", "log.vkey line 7"),
        (TEXT.replace("until 8", f"until {2**64}"), "log.vkey line 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, place: str) -> None:
    with pytest.raises(FormatError, match=rf"^{re.escape(place)}: "):
        parse_key_ring(text)
