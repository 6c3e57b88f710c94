"""Two installations witness each other: one command on each side, with real servers, keys and logs."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from auditlog.core.errors import FormatError, GuardError, VerifyError
from auditlog.core.formats.keyring import parse_key_ring
from auditlog.core.formats.note import parse_vkey
from auditlog.core.formats.policy import check_policy, cosigned_by, parse_policy
from auditlog.peers.introduction import About, check_same, format_about, parse_about, with_witness
from auditlog.writing.log import Unit
from cli import run
from service.logs import publish, rotation
from service.logs import witness as action
from service.records import reading
from service.wiring import create_home, open_home

pytestmark = pytest.mark.enable_socket
ROOT = Path(__file__).parents[3]
FRESH = "# a policy\nquorum none\n"


@dataclass
class Told:
    """What a command said: exit code, stdout, stderr."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Agency:
    """A home with its portal and its witness as real servers on this machine."""

    name: str
    home: Path
    portals: ModuleType
    stand: ModuleType
    stack: contextlib.ExitStack
    url: str = ""
    witness_url: str = ""

    def make(self) -> None:
        create_home(self.home, self.name, f"{self.name}.example/log")
        with (self.home / "greffier.toml").open("a") as settings:
            settings.write("publish_pace_s = 0\nwitness_timeout_s = 60\n")
        assert self.run("witness", "init", "--name", f"{self.name}.example/witness").returncode == 0

    def run(self, *arguments: str) -> Told:
        """A command, in this process: two cores are few for so many interpreters."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([*arguments, "--home", str(self.home)])
        return Told(code, out.getvalue(), err.getvalue())

    def serve(self) -> None:
        self.url = self.stack.enter_context(self.portals.served(self.home)).url

    @contextlib.contextmanager
    def witnessing(self) -> Iterator[None]:
        with action.opened(self.home) as witness:
            about = format_about(action.about(self.home, witness))
            with self.stand.served(witness, about) as self.witness_url:
                yield

    def checkpoint(self) -> bytes:
        return httpx.get(f"{self.url}/log/1/checkpoint", timeout=60).content

    def policy(self):
        return parse_policy((self.home / "policy").read_text())


def wait_for(true, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if true():
                return
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


@pytest.fixture
def agencies(portals, witness_stand, tmp_path):
    with contextlib.ExitStack() as stack:
        made = [Agency(name, tmp_path / name, portals, witness_stand, stack) for name in ("waterveen", "archive")]
        for agency in made:
            agency.make()
        yield made


def test_one_command_on_each_side_makes_two_installations_witness_each_other(agencies, tmp_path):
    a, b = agencies
    for agency in agencies:
        agency.serve()
        agency.stack.enter_context(agency.witnessing())
        # Without witnesses a checkpoint is public at once, and nobody has cosigned it.
        wait_for(lambda agency=agency: agency.checkpoint().startswith(f"{agency.name}.example/log/1\n".encode()))
        assert cosigned_by(parse_policy(FRESH), agency.checkpoint()) == {}

    shown = json.loads(b.run("witness", "show", "--json").stdout)
    first = a.run("witness", "peer", b.witness_url, "--expect", shown["fingerprint"])
    assert first.returncode == 0, first.stderr
    assert "archive.example/witness" in first.stdout
    assert "archive.example/log/1" in first.stdout
    assert b.run("witness", "peer", a.witness_url).returncode == 0

    for agency, other in ((a, b), (b, a)):
        wait_for(lambda agency=agency: publishes(agency))
        times = check_policy(agency.policy(), agency.checkpoint(), max_age=600, now=int(time.time()))
        assert sorted(times) == [f"{other.name}.example/witness:ed25519", f"{other.name}.example/witness:ml-dsa-44"]
    seen = json.loads(a.run("witness", "logs", "--json").stdout)
    assert [row["origin"] for row in seen] == ["archive.example/log/1"]
    assert seen[0]["size"] >= 1

    again = a.run("witness", "peer", b.witness_url)
    assert "nothing to change" in again.stderr
    wrong = a.run("witness", "peer", b.witness_url, "--expect", "sha256:0")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    itself = a.run("witness", "peer", a.witness_url)
    assert itself.returncode == 2
    nobody = a.run("witness", "peer", "http://127.0.0.1:1")
    assert nobody.returncode == 4


def publishes(agency) -> bool:
    try:
        return bool(check_policy(agency.policy(), agency.checkpoint()))
    except VerifyError:
        return False


def test_a_witness_that_stops_holds_up_publishing_and_nothing_else(agencies, tmp_path):
    a, b = agencies
    with a.witnessing(), b.witnessing():
        for one, other in ((a, b), (b, a)):
            assert one.run("witness", "peer", other.witness_url).returncode == 0
        assert a.run("log", "publish").returncode == 0
    with open_home(a.home) as g:
        before = g.publisher.checkpoint()
    with open_home(a.home) as g:
        record(g)
    told = a.run("log", "publish", "--json")
    assert told.returncode == 1
    state = json.loads(told.stdout)
    assert state["published"] < state["integrated"]
    assert set(state["missing"]) == {"archive.example/witness:ed25519", "archive.example/witness:ml-dsa-44"}
    assert state["since"]
    with open_home(a.home) as g:
        assert g.publisher.checkpoint() == before
        assert g.log.state().recording

    with b.witnessing():
        # It came back at another address: the command says so to the policy.
        assert "is asked at" in a.run("witness", "peer", b.witness_url).stderr
        assert a.run("log", "publish").returncode == 0
        # Database, guard and all put back from an older copy: only the other one's witness knows better.
        saved = tmp_path / "saved"
        shutil.copytree(a.home, saved)
        with open_home(a.home) as g:
            record(g)
            assert publish.advance(g, at_once=True)
            publish.ask_at_start(g)
        shutil.rmtree(a.home)
        shutil.copytree(saved, a.home)
        with pytest.raises(GuardError, match="rolled back"), open_home(a.home):
            pass


def test_a_receipt_leans_on_the_published_checkpoint_once_that_covers_it(agencies):
    """Before, it leans on the integrated one, which no witness has seen; a receipt later carries the cosignatures."""
    a, b = agencies
    with a.witnessing(), b.witnessing():
        for one, other in ((a, b), (b, a)):
            assert one.run("witness", "peer", other.witness_url).returncode == 0
        with open_home(a.home) as g:
            index = record(g)
            with g.reading() as conn:
                before, _ = reading.head(g, conn, covering=index)
            with pytest.raises(VerifyError, match="not yet published"):
                check_policy(a.policy(), before.note)
            assert publish.advance(g, at_once=True)
            record(g)
            with g.reading() as conn:
                after, checkpoint = reading.head(g, conn, covering=index)
            assert check_policy(a.policy(), after.note)
            assert checkpoint.size == index + 1


def test_new_keys_reach_the_witness_by_the_same_command(agencies):
    """Between the two steps of a rotation the other side runs it again; then the old keys may go."""
    a, b = agencies
    with b.witnessing():
        with a.witnessing():
            for one, other in ((a, b), (b, a)):
                assert one.run("witness", "peer", other.witness_url).returncode == 0
        assert a.run("log", "publish").returncode == 0
        with open_home(a.home) as g:
            rotation.begin(g)
            assert publish.advance(g, at_once=True), publish.state(g)
        with a.witnessing():
            told = b.run("witness", "peer", a.witness_url)
            assert "our witness cosigns waterveen.example/log/1" in told.stderr
        with open_home(a.home) as g:
            rotation.finish(g)
            record(g)
            assert publish.advance(g, at_once=True), publish.state(g)
            assert check_policy(a.policy(), g.publisher.checkpoint())


def test_without_that_the_witness_refuses_and_says_what_it_needs(agencies):
    a, b = agencies
    with b.witnessing():
        with a.witnessing():
            for one, other in ((a, b), (b, a)):
                assert one.run("witness", "peer", other.witness_url).returncode == 0
        with open_home(a.home) as g:
            rotation.begin(g)
            assert publish.advance(g, at_once=True)
            rotation.finish(g)
            assert not publish.advance(g, at_once=True)
            assert all("newest log.vkey" in reason for reason in publish.state(g).missing.values())
            assert "newest log.vkey" in str(publish.try_advance(g))


def test_a_policy_that_cannot_be_read_is_a_remark_and_no_outage(agencies):
    a, _ = agencies
    with open_home(a.home) as g:
        publish.advance(g)
        (a.home / "policy").write_text("quorum nobody\n")
        record(g)
        publish.ask_at_start(g)
        assert "policy line 1" in str(publish.try_advance(g))
        ((place, message),) = publish.findings(g)
        assert place == "publish"
        assert "policy line 1" in message
        assert g.log.state().recording


@pytest.mark.slow
def test_the_witness_as_a_process_of_its_own(tmp_path, witness_stand, free_port):
    """`greffier witness serve` cosigns, ends on SIGTERM, and says in one line why it does not start."""
    home = tmp_path / "home"
    witness_stand.make_witness(home, trusts=(witness_stand.Tree(),)).close()
    port = free_port()
    command = [sys.executable, "-m", "cli", "witness", "serve", "--home", str(home), "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: httpx.get(f"{url}/health", timeout=60).status_code == 200)
        body = witness_stand.Tree().submission(0, 5)
        assert httpx.post(f"{url}/add-checkpoint", content=body, timeout=60).status_code == 200
        assert parse_about(httpx.get(f"{url}/witness/about", timeout=60).content).log.keys == ()
        taken = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert taken.returncode == 2
    finally:
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    (home / "witness.db").unlink()
    retired = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert retired.returncode == 1
    assert "must be retired" in retired.stderr
    assert retired.stderr.count("\n") == 1


def record(g) -> int:
    """One more entry; its index."""
    made = g.log.append(Unit((g.make("pulse/1", boots=[], recording="ok"),))).result(30)
    return made.size - 1


# --- what the one command writes --------------------------------------------------------------------------------------


@pytest.fixture
def about(witness_stand, tmp_path):
    def make(name: str, log: str | None = None) -> About:
        witness = witness_stand.make_witness(tmp_path / name, name=f"{name}.example/w")
        witness.close()
        tree = witness_stand.Tree(log or f"{name}.example/1")
        return About(witness.vkeys, None, tree.ring, f"https://{name}.example/log/")

    return make


def test_a_policy_without_witnesses_gets_a_group_of_any(about):
    edited = with_witness(FRESH, about("a"), "https://a.example/w")
    policy = parse_policy(edited.text)
    assert policy.quorum == "witnesses"
    assert policy.met_by({"a.example/w:ed25519", "a.example/w:ml-dsa-44"})
    assert not policy.met_by({"a.example/w:ed25519"}), "both of its keys, so that one broken scheme is not enough"
    assert edited.text.startswith("# a policy\n")
    second = with_witness(edited.text, about("b"), "https://b.example/w")
    policy = parse_policy(second.text)
    assert policy.met_by({"b.example/w:ed25519", "b.example/w:ml-dsa-44"})
    assert {one.url for one in policy.witnesses} == {"https://a.example/w", "https://b.example/w"}


def test_it_is_idempotent_and_follows_a_new_address(about):
    a = about("a")
    once = with_witness(FRESH, a, "https://a.example/w")
    assert once.done
    again = with_witness(once.text, a, "https://a.example/w")
    assert (again.text, again.done) == (once.text, ())
    moved = with_witness(once.text, a, "https://elsewhere.example/w")
    assert {one.url for one in parse_policy(moved.text).witnesses} == {"https://elsewhere.example/w"}


def test_comments_order_and_the_operators_own_quorum_stay(about):
    a, b = about("a"), about("b")
    text = with_witness(FRESH, a, "https://a.example/w").text
    mine = text.replace("group witnesses any", "# two at least, the council said\n  group  witnesses 1").replace(
        "quorum witnesses", "# so be it\nquorum witnesses\n# the end"
    )
    edited = with_witness(mine, b, "https://b.example/w")
    for comment in ("# a policy\n", "# two at least, the council said\n", "# so be it\n", "# the end\n"):
        assert comment in edited.text
    assert parse_policy(edited.text).groups[-1].members == ("a.example/w", "b.example/w")
    every = text.replace("group witnesses any", "group witnesses all")
    left = with_witness(every, b, "https://b.example/w")
    assert parse_policy(left.text).groups[-1].members == ("b.example/w:ed25519", "b.example/w:ml-dsa-44")
    assert parse_policy(left.text).quorum == "witnesses"
    assert "stays witnesses" in left.done[-1]
    one = text.replace("quorum witnesses", "quorum a.example/w:ed25519")
    assert parse_policy(with_witness(one, b, "https://b.example/w").text).quorum == "a.example/w:ed25519"


def test_a_known_witness_with_other_keys_is_refused(about, tmp_path):
    text = with_witness(FRESH, about("a"), "https://a.example/w").text
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(VerifyError, match="other keys"):
        with_witness(text, about("a"), "https://a.example/w")


def test_a_known_log_with_wholly_other_keys_is_refused(witness_stand):
    old, new = witness_stand.Tree(seed=1).ring, witness_stand.Tree(seed=2).ring
    check_same(old, old)
    with pytest.raises(VerifyError, match="--expect"):
        check_same(old, new)


def test_what_a_witness_says_of_itself_is_read_strictly(about):
    a = about("a")
    value = format_about(a)
    assert parse_about(json.dumps(value).encode()) == a
    assert parse_key_ring(value["log"]["vkeys"]) == a.log
    log_key = value["log"]["vkeys"].splitlines()[0]
    assert parse_vkey(log_key)
    for change in (
        {"form": "greffier-witness-about/2"},
        {"more": 1},
        {"vkeys": []},
        {"vkeys": value["vkeys"] * 2},
        {"vkeys": [value["vkeys"][0]] * 2},
        {"vkeys": [log_key]},
        {"vkeys": "x"},
        {"vkeys": [1]},
        {"url": "ftp://a.example"},
        {"url": "https://a.example/ quorum"},
        {"url": "https://a.example/\nquorum none"},
        {"url": 1},
        {"log": {}},
        {"log": {"vkeys": "", "url": None}},
        {"log": {"vkeys": value["log"]["vkeys"], "url": "javascript:1"}},
    ):
        with pytest.raises(FormatError):
            parse_about(json.dumps(value | change).encode())
    for data in (b"", b"[]", b"{}", b"\xff"):
        with pytest.raises(FormatError):
            parse_about(data)


def test_the_fingerprint_covers_every_key(about, witness_stand):
    a = about("a")
    other = About(a.vkeys, None, witness_stand.Tree("a.example/1", seed=8).ring, a.log_url)
    assert len({a.fingerprint, other.fingerprint, About(a.vkeys).fingerprint}) == 3
