"""Bad input to the log's own commands: keys, exports, rotation, succession, time stamps, import, settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditlog.core.errors import Frozen
from auditlog.writing.log import Unit
from home.errors import SettingsError
from home.settings import read_settings
from service.wiring import open_home

pytestmark = pytest.mark.enable_socket

PERSON = "Piet Jansen"
SECRET = "vier woorden die geheim zijn"
BadFile = Callable[[bytes], Path]


def keys(home: Path) -> bytes:
    return (home / "keys" / "log.vkey").read_bytes()


# --- files of keys, checkpoints, exports ------------------------------------------------------------------------------


def test_an_exports_keys_that_are_none(bare: Path, export: Path, command: Any, bad_file: BadFile) -> None:
    told = command("log", "gaps", "--from", export, "--vkey", bad_file(keys(bare)))
    assert told.code == 2
    assert told.line.startswith("--vkey: bad")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xef\xbb\xbfx\n", "byte order mark"),
        (b"x\r\n", "Windows"),
        (b"PRIVATE+KEY+a/1+00000000+AAAA\n", "private key"),
        (b"# valid form 5\nx\n", '"# valid from A"'),
        (b"# valid from 5\n", "directly above a key"),
        (b"# valid from 5 until 5\nx\n", "line"),
        (b"# valid from -1\nx\n", '"# valid from A"'),
        (b"a/1+00000000+AQ==\n", "public key"),
    ],
)
def test_a_key_file_is_told_what_is_wrong_with_it(
    export: Path, tmp_path: Path, command: Any, data: bytes, says: str
) -> None:
    (tmp_path / "k").write_bytes(data)
    told = command("log", "gaps", "--from", export, "--vkey", tmp_path / "k")
    assert told.code == 2
    assert says in told.line


def test_a_folder_that_is_no_export(bare: Path, command: Any, bad_file: BadFile) -> None:
    told = command("log", "gaps", "--from", bad_file(b""))
    assert told.code == 2
    assert told.line.startswith("--from: is no exported log")
    assert "--from" in command("log", "gaps").line
    assert command("log", "gaps", "--from", bare).code == 2


def test_names_never_reach_a_terminal_raw(bare: Path, command: Any, tmp_path: Path) -> None:
    for name in ("a \x1b[31mred", "b\u202egpj.exe", "c\x9b2J"):
        told = command("log", "export", "--home", bare, "--to", tmp_path / name)
        assert told.code == 0
        assert told.line.isprintable()
        again = command("log", "export", "--home", bare, "--to", tmp_path / name)
        assert again.code == 2
        assert again.line.isprintable()
    assert (
        f"python '{tmp_path}/d e'/verify.pyz" in command("log", "export", "--home", bare, "--to", tmp_path / "d e").line
    )


@pytest.mark.parametrize("number", ["0", "-1", "2", "9" * 30])
def test_a_log_that_is_not_there(bare: Path, tmp_path: Path, command: Any, unchanged: Any, number: str) -> None:
    with unchanged(bare):
        told = command("log", "export", "--home", bare, "--to", tmp_path / "x", "--log", number)
    assert (told.code, told.line) == (2, "log: this installation has the logs 1 to 1")
    assert not (tmp_path / "x").exists()


# --- rotation and succession: wrong order, done twice -----------------------------------------------------------------


def test_a_rotation_out_of_order(bare: Path, command: Any, unchanged: Any) -> None:
    with unchanged(bare):
        told = command("log", "rotate", "--home", bare, "--finish")
    assert (told.code, "greffier log rotate" in told.line) == (3, True)
    assert command("log", "rotate", "--home", bare).code == 0
    for more, fix in (((), "--finish"), (("--finish",), "greffier log publish")):
        with unchanged(bare):
            told = command("log", "rotate", "--home", bare, *more)
        assert (told.code, fix in told.line) == (3, True)
    assert command("log", "publish", "--home", bare).code == 0
    assert command("log", "rotate", "--home", bare, "--finish").code == 0
    with unchanged(bare):
        assert command("log", "rotate", "--home", bare, "--finish").code == 3


@pytest.mark.parametrize(
    ("more", "code", "begins"),
    [
        ((), 2, "Missing option '--reason'"),
        (("--reason", PERSON), 2, "Invalid value for '--reason': must be one of 'year', 'keys', 'other', 'loss'"),
        (("--reason", "loss"), 3, "reason: nothing is lost"),
        (("--reason", "year", PERSON), 2, "Got unexpected extra argument"),
    ],
)
def test_a_succession_that_makes_no_sense(
    bare: Path, command: Any, unchanged: Any, more: tuple[str, ...], code: int, begins: str
) -> None:
    before = keys(bare)
    with unchanged(bare):
        told = command("log", "succeed", "--home", bare, *more)
    assert keys(bare) == before
    assert told.code == code
    assert told.line.startswith(begins)


def test_announcing_twice_makes_one_pair_of_keys(bare: Path, command: Any, unchanged: Any) -> None:
    arguments = ("log", "succeed", "--home", bare, "--reason", "year", "--announce")
    assert command(*arguments).code == 0
    before = keys(bare)
    with unchanged(bare):
        assert command(*arguments).code == 0
    assert keys(bare) == before


# --- sealed keys ------------------------------------------------------------------------------------------------------


def private(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


# name: (option, content of its file or None for none, its mode, what the line says)
SECRETS: dict[str, tuple[str, bytes | None, int, str]] = {
    "no file": ("--key-file", None, 0o600, "cannot be read"),
    "no passphrase": ("--passphrase-file", None, 0o600, "cannot be read"),
    "open to all": ("--key-file", b"k" * 32, 0o644, "set its mode to 600"),
    "passphrase open to all": ("--passphrase-file", SECRET.encode(), 0o640, "set its mode to 600"),
    "short": ("--key-file", b"k" * 31, 0o600, "must hold 32 random bytes"),
    "long": ("--key-file", b"k" * 33, 0o600, "must hold 32 random bytes"),
    "empty key": ("--key-file", b"", 0o600, "must hold 32 random bytes"),
    "empty passphrase": ("--passphrase-file", b"\n" + SECRET.encode(), 0o600, "is empty"),
    "binary passphrase": ("--passphrase-file", b"\xff\xfe", 0o600, "is not UTF-8"),
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("way", ["seal-keys", "unseal-keys"])
def test_a_secret_that_cannot_be_used(
    bare: Path, tmp_path: Path, command: Any, unchanged: Any, name: str, way: str
) -> None:
    option, data, mode, says = SECRETS[name]
    path = tmp_path / "secret"
    if data is not None:
        private(path, data, mode)
    if way == "unseal-keys":
        kind = (option, private(tmp_path / "good", b"g" * 32 if option == "--key-file" else b"goed genoeg\n"))
        assert command("log", "seal-keys", "--home", bare, *kind).code == 0
    files = {file.name: file.read_bytes() for file in (bare / "keys").iterdir()}
    with unchanged(bare):
        told = command("log", way, "--home", bare, option, path)
    assert told.code == 2
    assert says in told.line
    assert SECRET not in told.line
    assert {file.name: file.read_bytes() for file in (bare / "keys").iterdir()} == files


def test_sealing_without_a_secret_or_with_two(bare: Path, tmp_path: Path, command: Any, unchanged: Any) -> None:
    one = ("--key-file", private(tmp_path / "k", b"k" * 32))
    two = ("--passphrase-file", private(tmp_path / "p", SECRET.encode()))
    with unchanged(bare):
        assert "GREFFIER_KEY_PASSPHRASE" in command("log", "seal-keys", "--home", bare).line
        told = command("log", "seal-keys", "--home", bare, *one, *two)
    assert (told.code, "either" in told.line) == (2, True)


def test_what_is_sealed_says_what_opens_it(bare: Path, tmp_path: Path, command: Any, unchanged: Any) -> None:
    right, wrong = private(tmp_path / "k", b"k" * 32), private(tmp_path / "w", b"w" * 32)
    assert command("log", "seal-keys", "--home", bare, "--key-file", right).code == 0
    assert command("log", "seal-keys", "--home", bare, "--key-file", right).code == 0
    with unchanged(bare):
        for way in ("seal-keys", "unseal-keys"):
            told = command("log", way, "--home", bare, "--key-file", wrong)
            assert (told.code, "does not open" in told.line) == (2, True)
        for arguments in (("publish",), ("rotate",), ("succeed", "--reason", "year")):
            told = command("log", *arguments, "--home", bare)
            assert (told.code, "key_file" in told.line) == (4, True)
    assert command("log", "unseal-keys", "--home", bare, "--key-file", right).code == 0


# --- time stamps ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("option", "code"), [("--checkpoint", 1), ("--token", 1), ("--ca", 2), ("--vkey", 2)])
def test_a_token_is_checked_with_a_file_that_is_none(
    bare: Path, export: Path, command: Any, bad_file: BadFile, authority: Path, option: str, code: int
) -> None:
    good = {
        "--checkpoint": export / "checkpoint",
        "--token": export / "checkpoint",
        "--ca": authority,
        "--vkey": bare / "keys" / "log.vkey",
    }
    bad = bad_file(good[option].read_bytes())
    given = [str(one) for name, path in (good | {option: bad}).items() for one in (name, path)]
    told = command("log", "timestamp-verify", *given)
    if not bad.is_file():
        assert (told.code, told.line.partition(":")[0]) == (2, option)
    elif "token" in told.line:  # a certificate with other line ends or a mark before it is one all the same
        assert (option in {"--token", "--ca"}, told.code) == (True, 1)
    else:
        assert told.code == code
        assert {"--checkpoint": "checkpoint", "--ca": "CA", "--vkey": "--vkey"}[option] in told.line


@pytest.fixture(scope="session")
def authority(time_authority: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of a CA."""
    return Path(time_authority.Authority(tmp_path_factory.mktemp("ca") / "tsa").ca)


def test_no_authority_is_set(bare: Path, command: Any, unchanged: Any) -> None:
    with unchanged(bare):
        told = command("log", "timestamp", "--home", bare, "--now")
    assert told.code == 2
    assert told.line.startswith("timestamp_url: is not set")
    assert json.loads(command("log", "timestamps", "--home", bare, "--json").out) == []


@pytest.mark.parametrize("option", ["-o", "id"])
def test_a_time_stamped_receipt_that_cannot_be(bare: Path, tmp_path: Path, command: Any, option: str) -> None:
    name = "x.json" if option == "-o" else "x.receipt.json"
    record = "00000000-0000-4000-8000-000000000000"
    told = command("receipt", "--home", bare, record, "-o", tmp_path / name, "--time-stamped")
    assert told.code == 2
    assert told.line.startswith(f"{option}: ")
    told = command("receipt", "--home", bare, record, "-o", tmp_path / "x.receipt.html")
    assert (told.code, told.line.partition(":")[0]) == (2, "id")
    assert {path.name for path in tmp_path.iterdir()} == {"home"}


# --- import -----------------------------------------------------------------------------------------------------------


def test_an_import_from_what_is_no_copy(bare: Path, command: Any, unchanged: Any, bad_file: BadFile) -> None:
    with unchanged(bare):
        told = command("log", "import", "--home", bare, bad_file(b"x\n"))
    assert told.code == 2
    assert told.line.startswith("SOURCE: must be an address, an export")


def test_an_export_whose_checkpoint_is_none(
    bare: Path, export: Path, command: Any, unchanged: Any, bad_file: BadFile
) -> None:
    path = export / "checkpoint"
    bad = bad_file(path.read_bytes())
    path.unlink()
    if bad.exists():
        bad.rename(path)
    with unchanged(bare):
        told = command("log", "import", "--home", bare, export)
    assert told.code in {1, 2, 3}
    assert told.line.startswith(("SOURCE: ", "checkpoint: "))


@pytest.mark.parametrize(
    ("arguments", "code", "begins"),
    [
        (("",), 2, "SOURCE: "),
        (("ftp://x",), 2, "URL: "),
        (("HOME",), 2, "SOURCE: is a home"),
        (("EXPORT", "--documents", "/nowhere"), 2, "--documents: is neither"),
        (("EXPORT", "--documents", "VKEY"), 2, "--documents: log.vkey is no register file"),
    ],
)
def test_an_import_that_makes_no_sense(
    bare: Path, export: Path, command: Any, unchanged: Any, arguments: tuple[str, ...], code: int, begins: str
) -> None:
    places = {"HOME": str(bare), "EXPORT": str(export), "VKEY": str(bare / "keys/log.vkey")}
    with unchanged(bare):
        told = command("log", "import", "--home", bare, *(places.get(one, one) for one in arguments))
    assert told.code == code
    assert told.line.startswith(begins)


def test_an_import_into_another_installation(export: Path, tmp_path: Path, command: Any, unchanged: Any) -> None:
    other = tmp_path / "other"
    assert command("init", "--home", other, "--agency", "other", "--origin", "other.example/log").code == 0
    with unchanged(other):
        told = command("log", "import", "--home", other, export)
    assert (told.code, "no log of this home" in told.line) == (3, True)


# --- another installation's files; a program beside -------------------------------------------------------------------


@pytest.fixture
def other(tmp_path: Path, command: Any) -> Path:
    home = tmp_path / "other"
    assert command("init", "--home", home, "--agency", "other", "--origin", "other.example/log").code == 0
    return home


@pytest.mark.parametrize("words", [("publish",), ("rotate",), ("succeed", "--reason", "year")])
@pytest.mark.parametrize(
    ("file", "code", "begins"),
    [
        ("greffier.db", 2, "origin: is waterveen.example/log, but this database holds the log other.example/log/1"),
        ("keys/log.vkey", 4, "waterveen.example/log/1: has no key in the key file"),
        ("guard/log-1.guard", 4, "guard.origin: "),
    ],
)
def test_a_file_of_another_installation(
    bare: Path, other: Path, command: Any, file: str, code: int, begins: str, words: tuple[str, ...]
) -> None:
    (bare / file).write_bytes((other / file).read_bytes())
    private = {path.name: path.read_bytes() for path in (bare / "keys").glob("*.key")}
    told = command("log", words[0], "--home", bare, *words[1:])
    assert told.code == code
    assert told.line.startswith(begins)
    assert {path.name: path.read_bytes() for path in (bare / "keys").glob("*.key")} == private


def test_new_keys_are_not_made_where_their_secret_is_missing(bare: Path, command: Any, unchanged: Any) -> None:
    with (bare / "greffier.toml").open("a") as file:
        file.write('key_file = "nowhere"\n')
    with unchanged(bare):
        for words in (("log", "rotate"), ("witness", "init", "--name", "w.example/w")):
            told = command(*words, "--home", bare)
            assert (told.code, "nowhere: cannot be read" in told.line) == (2, True)


def test_a_program_beside(bare: Path, export: Path, command: Any, unchanged: Any) -> None:
    with open_home(bare) as g:
        with unchanged(bare):
            told = command("log", "import", "--home", bare, export)
        assert (told.code, "stop the server" in told.line) == (4, True)
        assert command("log", "succeed", "--home", bare, "--reason", "year").code == 0
        with pytest.raises(Frozen, match="restart this program"):
            g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result(30)
    assert command("log", "fsck", "--home", bare).code == 0


# --- decide -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "x" * 256, PERSON, "a\x1b[31m", "naïef", "a\nb"])
def test_an_idempotency_key_that_is_none(bare: Path, case: Path, command: Any, unchanged: Any, key: str) -> None:
    with unchanged(bare):
        told = command("decide", "--home", bare, "x", "--input", case, "--idempotency-key", key)
    assert told.code == 2
    assert told.line.startswith("--idempotency-key: ")


# --- settings ---------------------------------------------------------------------------------------------------------

SETTINGS = [
    ("republish_s", "0", "republish_s: must be greater than or equal to 60"),
    ("republish_s", "-1", "republish_s: must be"),
    ("republish_s", "1.5", "republish_s: must be a valid integer"),
    ("republish_s", "9" * 30, "republish_s: must be"),
    ("witness_timeout_s", "0", "witness_timeout_s: must be"),
    ("witness_grace_s", "-1", "witness_grace_s: must be"),
    ("timestamp_every_s", "1", "timestamp_every_s: must be"),
    ("timestamp_url", "1", "timestamp_url: must be a valid string"),
    ("timestamp_url", "''", "timestamp_url: must be http"),
    ("timestamp_url", "'file:///etc/passwd'", "timestamp_url: must be http"),
    ("mirrors", "1", "mirrors: must be a path"),
    ("mirrors", "'greffier.db'", "mirrors: is no folder"),
    ("policy_file", "''", "policy_file: cannot be read"),
    ("policy_file", "'keys'", "policy_file: cannot be read"),
    ("policy_file", "'/nowhere/x'", "policy_file: cannot be written"),
    ("policy_file", "'greffier.toml'", "policy_file: policy line 1: must begin with"),
    ("key_file", "7", "key_file: must be a path"),
]


@pytest.mark.parametrize(("name", "value", "begins"), SETTINGS, ids=[f"{row[0]} {row[1][:12]}" for row in SETTINGS])
def test_a_setting_that_makes_no_sense(
    bare: Path, command: Any, unchanged: Any, name: str, value: str, begins: str
) -> None:
    with (bare / "greffier.toml").open("a") as file:
        file.write(f"{name} = {value}\n")
    arguments = {"mirrors": ("mirrors",), "timestamp_url": ("log", "timestamp", "--now")}.get(name, ("log", "publish"))
    before = (bare / "greffier.toml").read_bytes()
    with unchanged(bare):
        told = command(*arguments, "--home", bare)
    assert told.code == 2
    assert told.line.startswith(begins)
    assert (bare / "greffier.toml").read_bytes() == before


POLICIES = [
    (b"\xef\xbb\xbfquorum none\n", "byte order mark"),
    (b"quorum none\nquorum none\n", "second quorum"),
    (b"quorum Piet-Jansen\n", "no witness or group"),
    (b"witness w x\nquorum w\n", "line"),
    (b"log x\nquorum none\n", "line"),
    (b"\xff\xfe\x00", "octet"),
    (b"x" * 1_000_001, "must be at most"),
    (b"# nothing\n", "quorum"),
]


@pytest.mark.parametrize(("data", "says"), POLICIES, ids=[row[1] + str(len(row[0])) for row in POLICIES])
def test_a_policy_that_is_none(bare: Path, command: Any, unchanged: Any, data: bytes, says: str) -> None:
    """It hinders no recording; whatever needs it says what is wrong with it."""
    (bare / "policy").write_bytes(data)
    with unchanged(bare):
        told = command("log", "publish", "--home", bare)
        assert told.code == 2
        assert told.line.startswith("policy_file: policy")
        assert says in told.line
    assert command("doctor", "--home", bare).code == 1
    assert (bare / "policy").read_bytes() == data


def test_a_setting_is_named_without_its_value(bare: Path) -> None:
    with (bare / "greffier.toml").open("a") as file:
        file.write(f'republish_s = "{PERSON}"\n')
    with pytest.raises(SettingsError, match="republish_s") as caught:
        read_settings(bare)
    assert PERSON not in str(caught.value)
