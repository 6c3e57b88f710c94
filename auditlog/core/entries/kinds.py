"""The table of entry kinds: one literal, read by the strict parser (`record`), `docs/records.md`, the tests' generator
of entries and the test of their privacy.

An entry is public or may become so. Its members are therefore codes, random ids, counters, digests of public artefacts
and commitments. Every member is always there, `null` where it has nothing to say, and a commitment is always 64 hex
digits: neither the members nor the size of an entry about a person depend on how that person's case ended.
"""

from __future__ import annotations

from auditlog.core.entries.kind import COMMON, SYSTEM, VERSION, Committed, Kind, Member
from auditlog.core.entries.kinds_records import RECORDS
from auditlog.core.entries.vocabulary import (
    ACCOUNT_ACTIONS,
    CAPTURES,
    DETERMINISM,
    FITNESS_TESTS,
    FITNESS_VERDICTS,
    FREEZE_REASONS,
    MODES,
    OUTAGE_CAUSES,
    OVERRIDE_GROUNDS,
    REFUSALS,
    ROLES,
    STATE_REASONS,
    STATES,
    UNFINISHED,
)

__all__ = ("COMMON", "KINDS", "Committed", "Kind", "Member")

_MANIFEST = Member("manifest", "digest", "of the version manifest: all that determines an answer")
_CAPTURE = Member("capture", "code", "how the record was made", codes=CAPTURES)
_MODE = Member("mode", "code", "follows from the state of the system; only live and pilot enter figures", codes=MODES)
_BOOT = Member("boot", "id", "the worker process (see `boot/1`)")
_N = Member("n", "uint", "its counter, risen before the first decode")
_BOOTS = (Member("boot", "id", "the worker process"), Member("n", "uint", "the number that it had reached"))

_TABLE = (
    Kind(
        "genesis/1",
        "The first entry of a log.",
        (
            Member("origin", "origin", "the name of this log, as in its checkpoints"),
            Member("log", "uint", "its number in this installation"),
            Member("software", "release", "the version of this program"),
            Member(
                "predecessor",
                "object",
                "the log that this one continues",
                nullable=True,
                members=(
                    Member("origin", "origin", "its name"),
                    Member("size", "uint", "its last size"),
                    Member("root", "hash", "its last root"),
                ),
            ),
            Member("lost", "uint", "entries of the predecessor that are lost", nullable=True),
        ),
    ),
    Kind(
        "system/1",
        "A system was registered, or its public record changed.",
        (
            SYSTEM,
            Member("record", "digest", "of the whole public record"),
            Member("action", "code", "what happened", codes=("registered", "changed")),
        ),
    ),
    Kind(
        "version/1",
        "A version of a system was registered. Versions never change.",
        (SYSTEM, VERSION, _MANIFEST, Member("model", "digest", "of the model file", nullable=True)),
    ),
    Kind(
        "state/1",
        "A system changed its state.",
        (
            SYSTEM,
            Member("version", "uint", "the version that runs from now on", nullable=True),
            Member("manifest", "digest", "of that version's manifest", nullable=True),
            Member("from", "code", "the state before", nullable=True, codes=STATES),
            Member("to", "code", "the state from now on", codes=STATES),
            Member("reason", "code", "why", codes=STATE_REASONS),
            Member("role", "code", "in which role it was done", codes=ROLES),
        ),
        together=("version", "manifest"),
    ),
    Kind(
        "model/1",
        "A model file was taken into the folder of models.",
        (
            Member("model", "digest", "of the file"),
            Member("size", "uint", "of the file, in bytes"),
            Member("format", "code", "of the file", codes=("gguf",)),
            Member("derived_from", "digest", "of the file from which it was made", nullable=True),
            Member("quantization", "release", "the name of its quantisation", nullable=True),
        ),
    ),
    Kind(
        "boot/1",
        "A worker process started.",
        (
            _BOOT,
            Member("runtime", "release", "the name and version of the runtime"),
            Member("build", "digest", "of the native libraries"),
            Member("cpu", "feature", "features of the processor that the build uses", many=True),
            Member("threads", "uint", "number of threads"),
            Member("determinism", "code", "the class measured on this device", codes=DETERMINISM),
            Member("unclosed", "object", "earlier boots that never closed", many=True, members=_BOOTS),
        ),
    ),
    Kind(
        "selftest/1",
        "How exactly a model repeats its results on this device was measured, before its first decision in a boot.",
        (
            _BOOT,
            Member("model", "digest", "of the model file"),
            Member("context", "digest", "of the context settings"),
            Member("build", "digest", "of the native libraries"),
            Member("device", "release", "what it was measured on"),
            Member("determinism", "code", "the class that was found", codes=DETERMINISM),
            Member("measured", "time", "when; before the boot where the result was kept from an earlier one"),
        ),
    ),
    Kind(
        "fitness/1",
        "A version was tested on invented cases, before it decides about people.",
        (
            SYSTEM,
            VERSION,
            _MANIFEST,
            Member("verdict", "code", "whether it may go live", codes=FITNESS_VERDICTS),
            Member("failed", "code", "tests whose threshold was not met", many=True, codes=FITNESS_TESTS),
            Member("cases", "uint", "number of cases that were run"),
            Member("report", "digest", "of the results, which the register shows"),
            Member("runtime", "release", "what ran them", nullable=True),
            Member("build", "digest", "of its native libraries", nullable=True),
            Member("device", "release", "what they ran on", nullable=True),
        ),
        together=("runtime", "build", "device"),
    ),
    Kind(
        "override/1",
        "A version was let through although its tests, or a duty, held it back, or no tests were made. The register"
        " says why.",
        (
            SYSTEM,
            Member("version", "uint", "its version; 0 where it runs elsewhere without one"),
            Member("fitness", "digest", "of the results that it overrides", nullable=True),
            Member("ground", "code", "why", codes=OVERRIDE_GROUNDS),
            Member("statement", "digest", "of the reasons, which the register shows"),
            Member("role", "code", "in which role it was done", codes=ROLES),
        ),
    ),
    Kind(
        "modification/1",
        "A new version of a system in use came with the answer whether it changes the system substantially "
        "(AI Act 3(23)). The register says why.",
        (
            SYSTEM,
            VERSION,
            Member("substantial", "code", "the answer", codes=("yes", "no")),
            Member("statement", "digest", "of the reasons, which the register shows"),
            Member("role", "code", "in which role it was said", codes=ROLES),
        ),
    ),
    Kind(
        "answers/1",
        # The answers are for staff: a salt beside each round keeps the digest from being guessed.
        "The questions about the class of a system were answered (AI Act 5 and 6). Staff see the answers.",
        (
            SYSTEM,
            Member("rules", "release", "the version of the rules whose questions were asked"),
            Member("answers", "digest", "of all rounds of answers about the system as they stand from now on"),
        ),
    ),
    Kind(
        "account/1",
        # Whose account it is must not show: the name stands nowhere else, and a salt in the row hides what is digested.
        "An account of a member of staff was made or changed, or is lost with its database. Nothing says whose it is.",
        (
            Member("action", "code", "what happened", codes=ACCOUNT_ACTIONS),
            Member("role", "code", "the role that the account has from now on", codes=ROLES),
            Member("account", "id", "a random name of the account, used in the log alone"),
            Member("row", "digest", "of its row with a random salt; null where it is lost", nullable=True),
        ),
    ),
    Kind("close/1", "A worker process ended in good order.", (_BOOT, Member("n", "uint", "its last number"))),
    Kind(
        "pulse/1",
        "Once an hour: the program runs and records, so that silence is a statement.",
        (
            Member("boots", "object", "worker processes that run now", many=True, members=_BOOTS),
            Member("recording", "code", "the state of the log", codes=("ok", "recovered")),
        ),
    ),
    Kind(
        "outage/1",
        # `ended` may lie before `began`: a clock that was set back must not keep an outage from being recorded.
        "For some time nothing could be recorded, hence nothing was decided.",
        (
            Member("cause", "code", "why", codes=OUTAGE_CAUSES),
            Member("began", "time", "when it was noticed"),
            Member("ended", "time", "when recording went on"),
            Member("boot", "id", "the worker process that was lost, where that is the cause", nullable=True),
        ),
    ),
    Kind(
        "refused/1",
        "The program refused to decide.",
        (
            Member("system", "slug", "the system, where it is registered", nullable=True),
            Member("version", "uint", "its version", nullable=True),
            Member("reason", "code", "why", codes=REFUSALS),
            Member("boot", "id", "the worker process, where one had begun", nullable=True),
            Member("n", "uint", "its counter", nullable=True),
        ),
        person=True,
        together=("boot", "n"),
    ),
    Kind(
        "opened/1",
        "A streamed answer was opened; its decision follows.",
        (SYSTEM, VERSION, _MANIFEST, _CAPTURE, _MODE, _BOOT, _N),
        person=True,
    ),
    Kind(
        "unfinished/1",
        "A run of the model that did not become a decision.",
        (
            SYSTEM,
            VERSION,
            _MANIFEST,
            _BOOT,
            _N,
            Member("reason", "code", "why", codes=UNFINISHED),
            Member("opened", "id", "the `opened/1` entry of a stream", nullable=True),
        ),
        (Committed("reached", "what the run had given until then"),),
        person=True,
    ),
    Kind(
        "decision/1",
        "The system gave a result.",
        (
            SYSTEM,
            VERSION,
            _MANIFEST,
            _CAPTURE,
            _MODE,
            Member("boot", "id", "the worker process (see `boot/1`)", nullable=True),
            Member("source", "slug", "the system elsewhere that made the record", nullable=True),
            Member("n", "uint", "the counter of boot or source"),
            Member("opened", "id", "the `opened/1` entry of a stream", nullable=True),
        ),
        (
            Committed("output", "the output as the output schema has it"),
            Committed("outcome", "the code of the outcome"),
            Committed("subjects", "the normalised references of the persons concerned, in rising order"),
            Committed("parent", "the id of the step before, in a pipeline, or null"),
            Committed(
                "usage",
                "prompt_tokens, output_tokens, queue_us, first_us, total_us, energy_uj, energy_method, "
                "cost_millionths, currency, tariff_valid_from; where known busy_us, cached_tokens",
            ),
            Committed(
                "run",
                "prompt_tokens (prompt_digests in a later turn of a conversation), output_tokens, "
                "logprobs (millionths of a nat), alternatives, seed, sampler, threads, build, model: what a replay "
                "needs; through the gateway what its provider said instead: remote, calls",
            ),
            Committed("times", "received, decided, recorded, in microseconds of UTC"),
        ),
        inputs=True,
        person=True,
        one_of=("boot", "source"),
    ),
    *RECORDS,
    Kind(
        "rotation/1",
        # A key is named by its digest: the key file has the key, and the digest says which of its lines is meant.
        "The log's keys changed. Checkpoints that cover this entry bear the added keys and no longer the retired ones.",
        (
            Member(
                "added", "digest", "of the verifier keys that sign from now on, as their lines are written", many=True
            ),
            Member("retired", "digest", "of the verifier keys that sign no more", many=True),
        ),
    ),
    Kind(
        "freeze/1",
        "The last entry of a log: nothing follows.",
        (
            Member("reason", "code", "why", codes=FREEZE_REASONS),
            Member("successor", "origin", "the log that continues this one", nullable=True),
        ),
    ),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _TABLE}
