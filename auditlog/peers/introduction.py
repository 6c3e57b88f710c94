"""How two installations come to witness each other: what a witness says about itself, and what that adds to a policy.

Nothing here is signed: whoever reads it over the network compares the fingerprint by another way, or trusts it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from auditlog.core.errors import FormatError, VerifyError
from auditlog.core.formats.canonical import check_name, parse_json
from auditlog.core.formats.keyring import KeyRing, format_key_ring, parse_key_ring
from auditlog.core.formats.note import COSIGNATURE, ML_DSA_44, VerifierKey, format_vkey, parse_vkey
from auditlog.core.formats.policy import parse_policy
from auditlog.peers.client import fetch
from auditlog.peers.fetch import Unreachable

FORM: Final = "greffier-witness-about/1"
_TYPES: Final = {COSIGNATURE: "ed25519", ML_DSA_44: "ml-dsa-44"}
_TIMEOUT_S = 10.0
_GIVE: Final = "give the address of its `greffier witness serve`"
_NO_LOG: Final = KeyRing(())


@dataclass(frozen=True, slots=True)
class About:
    """A witness: its keys (one a type, all of one name), where checkpoints are submitted, and its own log, if any.

    `log` has the keys of every log of that installation, announced successors too; `log_url` is where they are served.
    """

    vkeys: tuple[VerifierKey, ...]
    url: str | None = None
    log: KeyRing = _NO_LOG
    log_url: str | None = None

    @property
    def name(self) -> str:
        """The name under which it cosigns."""
        return self.vkeys[0].name

    @property
    def fingerprint(self) -> str:
        """A digest of all keys, the witness's and the log's: it changes when the log gets new ones."""
        lines = sorted(format_vkey(key) for key in (*self.vkeys, *self.log.vkeys))
        return f"sha256:{sha256(''.join(f'{line}{chr(10)}' for line in lines).encode()).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Edited:
    """A policy's new text, and what was done to it, in sentences; nothing done leaves the text as it was."""

    text: str
    done: tuple[str, ...]


def format_about(about: About) -> dict[str, Any]:
    """What `/witness/about` answers, as JSON has it."""
    log = {"vkeys": format_key_ring(about.log), "url": about.log_url} if about.log.keys else None
    return {"form": FORM, "vkeys": [format_vkey(key) for key in about.vkeys], "url": about.url, "log": log}


def parse_about(data: bytes) -> About:
    """Inverse of `format_about`. Raises FormatError."""
    value = parse_json(data)
    if not isinstance(value, dict) or value.get("form") != FORM or value.keys() != {"form", "vkeys", "url", "log"}:
        raise FormatError("is not what a Greffier witness says about itself: check the address", field="about")
    lines = value["vkeys"]
    if not isinstance(lines, list) or not 1 <= len(lines) <= len(_TYPES):
        raise FormatError("must be a list of one or two keys", field="about.vkeys")
    vkeys = tuple(parse_vkey(_text(line, "vkeys")) for line in lines)
    check_name(vkeys[0].name, field="about.vkeys")
    types = {key.type for key in vkeys}
    if {key.name for key in vkeys} != {vkeys[0].name} or len(types) != len(vkeys) or not types <= _TYPES.keys():
        raise FormatError("must be cosignature keys of one name, one a type", field="about.vkeys")
    url, log = value["url"], value["log"]
    ring, log_url = KeyRing(()), None
    if log is not None:
        if not isinstance(log, dict) or log.keys() != {"vkeys", "url"}:
            raise FormatError("must have the members vkeys and url", field="about.log")
        ring = parse_key_ring(_text(log["vkeys"], "log.vkeys"), name="about.log.vkeys")
        log_url = None if log["url"] is None else _url(log["url"], "log.url")
    return About(vkeys, None if url is None else _url(url, "url"), ring, log_url)


def read_about(url: str) -> About:
    """Ask the witness at `url` (see `check_url`) who it is. Raises Unreachable, FormatError for what it says."""
    try:
        reply = fetch("GET", f"{url.rstrip('/')}/witness/about", None, _TIMEOUT_S)
        if reply.status == 200:
            return parse_about(reply.body)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        reason = f"cannot be reached ({type(error).__name__}): check the address, or try again later"
        raise Unreachable(reason, field="witness") from None
    except FormatError as error:
        raise FormatError(f"is not what answers there ({error}): {_GIVE}", field="witness") from None
    if reply.status == 429 or reply.status >= 500:
        raise Unreachable(f"cannot answer now (status {reply.status}): try again later", field="witness")
    raise FormatError(f"is not what answers there (status {reply.status}): {_GIVE}", field="witness")


def check_url(url: str) -> None:
    """Raise FormatError for what is no address of a witness. It goes into the policy file, so it may hold no secret."""
    _url(url, "URL")


def check_same(known: KeyRing, told: KeyRing) -> None:
    """Raise VerifyError where a log that is known comes with wholly other keys: that is another log, or an impostor."""
    for origin in told.origins:
        before = {key.vkey for key in known.keys if key.vkey.name == origin}
        if before and not before & set(told.of(origin).vkeys):
            raise VerifyError(
                "comes with other keys than those known: ask its agency by another way, then give --expect FINGERPRINT",
                field=f"log {origin}",
            )


def with_witness(text: str, about: About, url: str) -> Edited:
    """The policy with this witness in it: its keys as a group that counts where all of them signed.

    A quorum `none` becomes "any of the witnesses"; a quorum that is an `any` or counted group gets one member more; one
    that demands `all`, or one witness, is the operator's own choice and stays. Raises FormatError, VerifyError.
    """
    policy = parse_policy(text.encode("utf-8", "surrogateescape"))
    known = {one.vkey: one for one in policy.witnesses}
    lines = [f"{line}\n" for line in text.removesuffix("\n").split("\n")] if text else []  # as the parser cuts it
    if all(key in known for key in about.vkeys):
        moved = [one for key in about.vkeys if (one := known[key]).url != url]
        for one in moved:
            _replace_words(lines, ["witness", one.name, format_vkey(one.vkey)], 3, url)
        return Edited("".join(lines), (f"{about.name} is asked at {url} now",) if moved else ())
    taken = {one.name for one in policy.witnesses} | {one.name for one in policy.groups}
    if about.name in taken or any(one.vkey.name == about.name for one in policy.witnesses):
        raise VerifyError(
            "stands in the policy with other keys: take its lines out first, if it is retired", field=about.name
        )
    names = [f"{about.name}:{_TYPES[key.type]}" for key in about.vkeys]
    block = [f"witness {name} {format_vkey(key)} {url}\n" for name, key in zip(names, about.vkeys, strict=True)]
    block.append(f"group {about.name} all {' '.join(names)}\n")
    place, done = _count_in(lines, policy.quorum, about.name, taken)
    edited = "".join([*lines[:place], *block, *lines[place:]])
    parse_policy(edited.encode("utf-8", "surrogateescape"))
    return Edited(edited, (f"{about.name} is asked to cosign, at {url}", done))


def _count_in(lines: list[str], quorum: str | None, name: str, taken: set[str]) -> tuple[int, str]:
    """Let the quorum count `name`, in place; returns where its own lines belong, and what was done."""
    at = _place(lines, ["quorum"])
    if quorum is None:
        group = next(one for one in ("witnesses", *(f"witnesses-{n}" for n in range(2, 1000))) if one not in taken)
        lines[at : at + 1] = [f"group {group} any {name}\n", f"quorum {group}\n"]
        return at, f"a checkpoint is published once any of the group {group} has cosigned it"
    for place, line in enumerate(lines):
        words = line.split()
        if words[:2] == ["group", quorum] and words[2] != "all":
            lines[place] = f"{line.rstrip()} {name}\n"
            return place, f"it counts in the group {quorum}, of which {words[2]} must cosign"
    return at, f"the quorum stays {quorum}: to let {name} count, write so in the policy"


def _place(lines: Sequence[str], words: list[str]) -> int:
    return next(place for place, line in enumerate(lines) if line.split()[: len(words)] == words)


def _replace_words(lines: list[str], words: list[str], number: int, by: str) -> None:
    """Put one word in the place of word `number` of the line that begins with `words`, or behind its last one."""
    place = _place(lines, words)
    lines[place] = f"{' '.join([*lines[place].split()[:number], by])}\n"


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise FormatError("must be a text", field=f"about.{field}")
    return value


def _url(value: object, field: str) -> str:
    """An address that can stand in a policy file and on a terminal."""
    text = _text(value, field)
    if not text.startswith(("http://", "https://")) or len(text) > 500 or not text.isascii() or not text.isprintable():
        raise FormatError("must begin with http:// or https://", field=field)
    try:
        parts = urlsplit(text)
        whole = bool(parts.hostname) and parts.port != 0 and parts.username is None
    except ValueError:
        whole = False
    if " " in text or not whole or parts.query or parts.fragment:
        raise FormatError("must be http(s)://HOST/PATH, without spaces, passwords, ? and #", field=field)
    return text
