"""Trust policies (c2sp.org/tlog-policy): which logs and witnesses are known, and how many cosignatures are demanded.

One file serves the log, its witnesses and its auditors. The sizes at which keys of a log are valid stand in comments
above its `log` lines (`keyring`); other programs skip them. The file is octets: names need not be UTF-8, and such
octets appear here as lone surrogates (Python's "surrogateescape"), so that no two names become one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from auditlog.core.errors import FormatError, NotPublished, SignatureError, VerifyError
from auditlog.core.formats.canonical import parse_decimal
from auditlog.core.formats.keyring import ALWAYS, KeyRing, LogKey, Sizes, format_sizes, with_sizes
from auditlog.core.formats.note import COSIGNATURE, ED25519, ML_DSA_44, VerifierKey, format_vkey, parse_note, parse_vkey

POLICY_FILE: Final = "policy"
NONE: Final = "none"
"""The name that a `quorum` line gives where no cosignature is demanded; nothing else may bear it."""
CLOCK_SKEW: Final = 300
"""Seconds by which a witness's clock may be ahead of ours."""
MAX_POLICY: Final = 1_000_000
MAX_LINES: Final = 1_000
"""Bytes, and lines that say something. The specification asks for at least 32 logs, witnesses and groups."""

_NO_OCTET = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_WHITE = re.compile(r"[ \t]+")
_NO_ITEM = re.compile(r"[\x00-\x20\x7f]")
_FORMS = {
    "log": "log <vkey> [<url>]",
    "witness": "witness <name> <vkey> [<url>]",
    "group": "group <name> all|any|<number> <member>..., with at least one member",
    "quorum": "quorum <name>, or quorum none",
}
_LOG_TYPES = (ED25519, ML_DSA_44)
_WITNESS_TYPES = (COSIGNATURE, ML_DSA_44)


@dataclass(frozen=True, slots=True)
class Witness:
    """A cosigner under the name that this policy gives it; `url` is its submission prefix, where it is known."""

    name: str
    vkey: VerifierKey
    url: str | None = None

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_item(self.url, "url")
        if self.vkey.type not in _WITNESS_TYPES:
            raise FormatError(
                "must be a cosignature key (type 0x04 or 0x06): ask the witness for it", field="witness key"
            )


@dataclass(frozen=True, slots=True)
class Group:
    """Counts as a cosigner when at least `threshold` of its members (witnesses, or groups named before it) do."""

    name: str
    threshold: int
    members: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not self.members:
            raise FormatError("must have at least one member", field="group")
        if not 1 <= self.threshold <= len(self.members):
            raise FormatError(f"must be all, any, or 1 to {len(self.members)} (its number of members)", field="group")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a checkpoint must bear. `quorum` names a witness or group; None demands no cosignature."""

    logs: KeyRing
    log_urls: Mapping[VerifierKey, str] = field(default_factory=dict)
    witnesses: tuple[Witness, ...] = ()
    groups: tuple[Group, ...] = ()
    quorum: str | None = None

    def __post_init__(self) -> None:
        for key in self.logs.vkeys:
            if key.type not in _LOG_TYPES:
                raise FormatError("must be a log's key (type 0x01 or 0x06), not a witness's", field="log key")
        for url in self.log_urls.values():
            _check_item(url, "url")
        _check_distinct(self.logs.vkeys, "log key")
        # A log that is its own witness vouches for itself: its keys are not among those that count.
        _check_distinct([*self.logs.vkeys, *(witness.vkey for witness in self.witnesses)], "witness key")
        defined: set[str] = set()
        for witness in self.witnesses:
            _define(witness.name, defined)
        members: set[str] = set()
        for group in self.groups:
            for name in group.members:
                _check_defined(name, defined)
                if name in members:
                    raise FormatError("is a member more than once; each name counts in one place", field=_plain(name))
                members.add(name)
            _define(group.name, defined)
        if self.quorum is not None:
            _check_defined(self.quorum, defined)

    def met_by(self, names: Collection[str]) -> bool:
        """Whether the witnesses of these names are a quorum."""
        met = {witness.name for witness in self.witnesses if witness.name in names}
        for group in self.groups:  # members stand before their group
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum is None or self.quorum in met


def cosigned_by(policy: Policy, note: bytes) -> dict[str, int]:
    """Witness name → time (POSIX seconds) of its cosignature on this checkpoint; lines of unknown keys are ignored.

    Raises SignatureError when a line of a known witness does not verify, FormatError when `note` is no note.
    """
    opened = parse_note(note)
    known = {(witness.vkey.name, witness.vkey.key_id): witness for witness in policy.witnesses}
    times: dict[str, int] = {}
    for line in opened.signatures:
        witness = known.get((line.name, line.key_id))
        if witness is None:
            continue
        try:
            time = witness.vkey.verify(opened.text, line.blob)
        except SignatureError as error:
            sentence = "does not belong to this checkpoint: one of the two was changed"
            raise SignatureError(f"the cosignature of {_plain(witness.name)} {sentence}", field=POLICY_FILE) from error
        # Time 0 is a signature on a part of a tree: its signer does not say that it knows no larger tree of this log.
        if time and witness.name not in times:
            times[witness.name] = time
    return times


def organisations(policy: Policy, names: Collection[str]) -> frozenset[str]:
    """Who these witnesses are: one organisation may cosign with several keys, and they bear its one name."""
    return frozenset(witness.vkey.name for witness in policy.witnesses if witness.name in names)


def check_policy(
    policy: Policy, note: bytes, *, max_age: int | None = None, now: int | None = None
) -> Mapping[str, int]:
    """Raise unless the cosignatures on this checkpoint are a quorum; return them as `cosigned_by` does.

    `max_age` (seconds) asks besides that a quorum cosigned it no longer ago than that, by the clock `now` (POSIX
    seconds). Raises NotPublished without a quorum, VerifyError for age and for a cosignature that does not verify. The
    log's own signatures are not looked at: see `open_checkpoint`.
    """
    times = cosigned_by(policy, note)
    if not policy.met_by(times):
        raise NotPublished(_lacking(policy, times), field=POLICY_FILE)
    if max_age is not None:
        if now is None:
            raise ValueError("max_age needs now")
        _check_age(policy, times, max_age, now)
    return times


def fresh_until(policy: Policy, times: Mapping[str, int]) -> int | None:
    """The newest time that a quorum reaches: all of a quorum cosigned then or later. None where no quorum did.

    Where the policy demands no cosignature it is the newest time of any known witness.
    """
    if policy.quorum is None:
        return max(times.values(), default=None)
    for time in sorted(set(times.values()), reverse=True):
        if policy.met_by([name for name, own in times.items() if own >= time]):
            return time
    return None


def _check_age(policy: Policy, times: Mapping[str, int], max_age: int, now: int) -> None:
    """A time in the future says nothing about age: else a witness's wrong clock would keep a checkpoint fresh."""
    newest = fresh_until(policy, {name: time for name, time in times.items() if time <= now + CLOCK_SKEW})
    if newest is None:
        reason = (
            "the clocks of its witnesses are ahead; check this computer's" if times else "no known witness signed it"
        )
        raise VerifyError(f"how old the checkpoint is cannot be said: {reason}", field=POLICY_FILE)
    if now - newest > max_age:
        raise VerifyError(
            f"the checkpoint is {now - newest} seconds old by its witnesses, more than the {max_age} allowed: get a "
            "newer one, and if there is none, ask the agency why its log stands still",
            field=POLICY_FILE,
        )


def _lacking(policy: Policy, times: Mapping[str, int]) -> str:
    who = f"of its witnesses only {_list(sorted(times))}" if times else "no witness that the policy names"
    return (
        f"not yet published: {who} cosigned this checkpoint, but the policy demands {_plain(policy.quorum or NONE)}; "
        "ask for it again once the log was published, usually within minutes"
    )


def _list(names: list[str]) -> str:
    return ", ".join(map(_plain, names))


def parse_policy(text: str | bytes) -> Policy:
    """The policy of a file's text or octets. Raises FormatError("policy line N: …")."""
    octets = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    if len(octets) > MAX_POLICY:
        raise FormatError(f"must be at most {MAX_POLICY} bytes", field=POLICY_FILE)
    if octets.startswith(b"\xef\xbb\xbf"):
        raise FormatError("begins with a byte order mark: save it without one", field=POLICY_FILE)
    if bad := _NO_OCTET.search(octets):
        line = octets.count(b"\n", 0, bad.start()) + 1
        sentence = f"has the octet 0x{bad[0][0]:02x}; only tab, newline and printable characters may stand there"
        if bad[0] == b"\r":
            sentence = "ends as lines do on Windows: save the file with the line ends of Unix (LF)"
        raise FormatError(sentence, field=f"{POLICY_FILE} line {line}")
    policy, quorums = Policy(KeyRing(())), 0
    lines = [line.strip(" \t") for line in octets.decode("utf-8", "surrogateescape").split("\n")]
    for count, (place, text_line, sizes) in enumerate(with_sizes(lines, name=POLICY_FILE)):
        keyword, *items = _WHITE.split(text_line)
        quorums += keyword == "quorum"
        try:
            _check_counts(count, quorums)
            policy = _add_line(policy, keyword, items, sizes)
        except FormatError as error:
            raise FormatError(str(error), field=f"{POLICY_FILE} line {place}") from error
    if not quorums:
        raise FormatError('must have exactly one quorum line, such as "quorum none"', field=POLICY_FILE)
    return policy


def _check_counts(lines: int, quorums: int) -> None:
    if lines >= MAX_LINES:
        raise FormatError(f"is beyond the {MAX_LINES} lines that this program reads")
    if quorums > 1:
        raise FormatError("is a second quorum line; a policy has exactly one")


def _add_line(policy: Policy, keyword: str, items: list[str], sizes: Sizes) -> Policy:
    """The policy with one more line; making it checks the line against those above it."""
    if keyword != "log" and sizes != ALWAYS:
        raise FormatError('has the comment "# valid from" above it, which belongs above a log line')
    if keyword == "log" and len(items) in (1, 2):
        key = LogKey(parse_vkey(items[0]), *sizes)
        urls = {**policy.log_urls, key.vkey: items[1]} if len(items) == 2 else policy.log_urls
        _check_distinct([*policy.logs.vkeys, key.vkey], "log key")
        return replace(policy, logs=KeyRing((*policy.logs.keys, key)), log_urls=urls)
    if keyword == "witness" and len(items) in (2, 3):
        witness = Witness(items[0], parse_vkey(items[1]), items[2] if len(items) == 3 else None)
        return replace(policy, witnesses=(*policy.witnesses, witness))
    if keyword == "group" and len(items) >= 3:
        name, threshold, *members = items
        counts = {"all": len(members), "any": 1}
        number = counts[threshold] if threshold in counts else parse_decimal(threshold, field="group")
        return replace(policy, groups=(*policy.groups, Group(name, number, tuple(members))))
    if keyword == "quorum" and len(items) == 1:
        return replace(policy, quorum=None if items[0] == NONE else items[0])
    raise FormatError(
        f"must read {_FORMS[keyword]}" if keyword in _FORMS else f"must begin with {', '.join(_FORMS)} or #"
    )


def format_policy(policy: Policy) -> str:
    """The text of a policy file; `parse_policy` gives the same policy back."""
    lines = [
        f"{format_sizes((one.valid_from, one.valid_until))}log {format_vkey(one.vkey)}"
        + _url(policy.log_urls.get(one.vkey))
        for one in policy.logs.keys
    ]
    lines += [f"witness {one.name} {format_vkey(one.vkey)}{_url(one.url)}" for one in policy.witnesses]
    lines += [f"group {one.name} {one.threshold} {' '.join(one.members)}" for one in policy.groups]
    lines.append(f"quorum {policy.quorum or NONE}")
    return "\n".join(lines) + "\n"


def _url(url: str | None) -> str:
    return "" if url is None else f" {url}"


def _define(name: str, defined: set[str]) -> None:
    if name in defined:
        raise FormatError("is the name of another witness or group already", field=_plain(name))
    defined.add(name)


def _check_defined(name: str, defined: Collection[str]) -> None:
    if name not in defined:
        raise FormatError("is no witness or group defined above this line", field=_plain(name))


def _check_distinct(vkeys: Sequence[VerifierKey], what: str) -> None:
    """One public key under two names is one key: else a witness could count twice, and a log be two."""
    if len({vkey.public for vkey in vkeys}) != len(vkeys):
        raise FormatError("stands on another line already, maybe under another name", field=what)


def _check_name(name: str) -> None:
    _check_item(name, "name")
    if not name or name == NONE:
        raise FormatError(f"must not be empty, and not {NONE!r}, which has a meaning of its own", field="name")


def _check_item(item: str | None, what: str) -> None:
    if item is not None and _NO_ITEM.search(item):
        raise FormatError("must not hold spaces or control characters", field=what)


def _plain(name: str) -> str:
    """A name for a sentence: octets that are no text, and what would change a terminal, are escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
