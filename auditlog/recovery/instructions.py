"""README.txt of an export: what the files are, and the commands that check them. A test runs them as written. Pure."""

from __future__ import annotations

from auditlog.core.entries.lineage import Lineage
from auditlog.core.errors import AuditLogError
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.policy import POLICY_FILE, Policy, check_policy

_README = """\
The transparency log {origin}
{rule}

This folder is a complete copy of a log as of {size} entries. Each entry records one event of an AI system in public
service: a system registered, a version changed, a decision made, a record erased. Entries hold codes, random numbers
and commitments (keyed hashes) and no personal data in clear.
{neighbours}
  checkpoint      size and root hash of the log, with the log's signatures (Ed25519 and ML-DSA-44)
  tile/entries/   the entries, 256 in a file, each a line of JSON behind its length in two bytes
  tile/0/ ...     the tree of hashes over them
  log.vkey        the log's public keys, and the sizes of the log at which each of them is valid
{policy}  verify.pyz      the program that checks all of this
  SHA256SUMS      checksums of the files that are not part of the tree

The format is that of https://c2sp.org/tlog-tiles; other programs for it can check this folder too.

To check it, with Python 3.11 or later:

  python3 -m pip install 'cryptography>=50'
  python3 verify.pyz audit . {trust}
{chain}
To check a receipt that you were given:

  python3 verify.pyz verify FILE.receipt.json {trust}

To check that the log only grew since a checkpoint that you kept from an earlier copy:

  python3 verify.pyz consistency OLD_CHECKPOINT . {trust}

To list what the log does not account for, such as runs of a model without an entry:

  python3 verify.pyz gaps .
{explain}
The keys and the program came in the same folder as the data. If you have reason to doubt who gave it to you, take both
from elsewhere: the keys from a place where the agency printed them earlier, the program from its source. What each
check can show, and what it cannot, is said in docs/trust.md of the program's source.
"""
_POLICY = """\
  policy          the witnesses that vouch for the log, and how many of them must (https://c2sp.org/tlog-policy)
"""
_EXPLAIN = """
To read the policy in sentences, and who cosigned this copy and when:

  python3 verify.pyz policy policy checkpoint
"""
_NOT_YET = """
This copy did not meet the policy when it was made (its witnesses had not cosigned it yet, or the policy names other
keys), so the commands above name the keys alone. With "--policy policy" in their place they say what is lacking.
"""
_CHAIN = """
With a copy of the log that this one continues, in the folder PREDECESSOR, both are checked as one:

  python3 verify.pyz audit PREDECESSOR . {trust}
"""


def instructions(origin: str, size: int, note: bytes, lineage: Lineage, policy: Policy | None) -> str:
    """The text for a log under the checkpoint `note` of `size` entries; `policy` where the export holds one."""
    met = policy is not None and _meets(policy, note, origin)
    trust = f"--policy {POLICY_FILE}" if met else "--vkey log.vkey"
    return _README.format(
        origin=origin,
        rule="=" * (21 + len(origin)),
        size=size,
        neighbours=_neighbours(lineage),
        policy="" if policy is None else _POLICY,
        trust=trust,
        chain="" if lineage.predecessor is None else _CHAIN.format(trust=trust),
        explain="" if policy is None else _EXPLAIN if met else _NOT_YET,
    )


def _meets(policy: Policy, note: bytes, origin: str) -> bool:
    try:
        open_checkpoint(note, policy.logs, origin=origin)
        check_policy(policy, note)
    except AuditLogError:
        return False
    return True


def _neighbours(lineage: Lineage) -> str:
    lines = []
    before = lineage.predecessor
    if before is not None:
        lines.append(f"It continues the log {before.origin}, which had {before.size} entries.")
        if before.lost:
            lines.append(f"Of those, {before.lost} are lost, as the first entry of this log states.")
    if lineage.closed_at is not None:
        goes_on = f"{lineage.successor} continues it" if lineage.successor else "no log continues it"
        lines.append(f"It is closed: nothing follows, and {goes_on}.")
    return "\n" + "".join(f"{line}\n" for line in lines) if lines else ""
