"""Kinds about records that are there: who worked on one, who read it, what was erased, counted and drawn."""

from __future__ import annotations

from auditlog.core.entries.kind import SYSTEM, VERSION, Committed, Kind, Member
from auditlog.core.entries.vocabulary import (
    EXPLANATION_CAUSES,
    FINDING_RULES,
    GROUNDS,
    HOLD_ACTIONS,
    HOLD_GROUNDS,
    INCIDENT_DUTIES,
    INCIDENT_STEPS,
    MODES,
    NOTICE_DUTIES,
    PUBLICATIONS,
    PURPOSES,
    READERS,
    REPLAY_CAUSES,
    REPLAY_REASONS,
    ROLES,
    SAMPLE_STAGES,
    TALLY_LEVELS,
    VERDICTS,
)

RECORDS = (
    Kind(
        "review/1",
        "A member of staff reviewed a result. Which one is committed: that there is a review can hint at an outcome.",
        (),
        (
            Committed("reference", "the id of the decision entry"),
            Committed("action", "confirm, override, refer or release"),
            Committed("decision", "what the agency decided"),
            Committed("reasons", "the reasons of the officer"),
            Committed("text", "the final text as sent"),
            Committed("effect", "the legal effect"),
            Committed("notified", "the day on which the person was told"),
        ),
        person=True,
    ),
    Kind(
        "erasure/1",
        "The content of a record was erased. Its entry and its proof remain.",
        (
            Member("record", "id", "the record that was erased"),
            Member("ground", "code", "GDPR 17(1)(a) to (f) in their order, or the end of its retention", codes=GROUNDS),
            Member("role", "code", "in which role it was ordered", codes=ROLES),
        ),
        person=True,
    ),
    Kind(
        "correction/1",
        "Something in a record was wrong (GDPR 16). The record stays as it is; what is right stands beside it.",
        (
            Member("record", "id", "the record that is corrected"),
            Member("role", "code", "in which role it was ordered", codes=ROLES),
        ),
        (
            Committed("values", "field and what is right, for each field that was wrong"),
            Committed("reasons", "why it is corrected"),
        ),
        person=True,
    ),
    Kind(
        "hold/1",
        "The content of a record must be kept, or no longer. Which record is committed: a hold hints at a case.",
        (
            Member("action", "code", "what happened", codes=HOLD_ACTIONS),
            Member("ground", "code", "why; restriction is that of GDPR 18", codes=HOLD_GROUNDS),
            Member("role", "code", "in which role it was ordered", codes=ROLES),
        ),
        (
            Committed("reference", "the id of the record"),
            Committed("note", "what the one who ordered it wrote, or null"),
        ),
        person=True,
    ),
    Kind(
        "access/1",
        "Somebody was given content of one or more records. The entry is in the log before the content is given.",
        (
            Member("purpose", "code", "what for", codes=PURPOSES),
            Member("role", "code", "in which role", codes=READERS),
        ),
        (
            Committed("records", "count, and the Merkle root over the ids of the records in rising order, salted"),
            Committed("ids", "the secret of those salts, and the ids: kept to find the rows again, never given out"),
            Committed("scope", "the question that was asked, where it was one, or null"),
            Committed("account", "the account or key that read, or null"),
        ),
        person=True,
    ),
    Kind(
        "replay/1",
        "A recorded decision was run again. Which one is committed: why it was chosen can hint at a case.",
        (
            SYSTEM,
            VERSION,
            Member("verdict", "code", "how well both runs agree, the strongest first", codes=VERDICTS),
            Member("reason", "code", "what differed, or why it could not be run", nullable=True, codes=REPLAY_REASONS),
            Member("cause", "code", "why it was run again", codes=REPLAY_CAUSES),
            Member("runtime", "release", "what ran it again", nullable=True),
            Member("build", "digest", "of its native libraries", nullable=True),
            Member("device", "release", "what it ran on", nullable=True),
        ),
        (
            Committed("reference", "the id of the decision entry; null where its content was erased before"),
            Committed("found", "the numbers behind the verdict, or null"),
        ),
        person=True,
        together=("runtime", "build", "device"),
    ),
    Kind(
        "explanation/1",
        "Somebody asked why a result came out as it did. Which one, and what was found, is committed: both can hint at"
        " an outcome.",
        (
            SYSTEM,
            VERSION,
            Member("cause", "code", "why it was made", codes=EXPLANATION_CAUSES),
            Member("runtime", "release", "what ran it", nullable=True),
            Member("build", "digest", "of its native libraries", nullable=True),
            Member("device", "release", "what it ran on", nullable=True),
        ),
        (
            Committed("reference", "the id of the decision entry; null where its content was erased before"),
            Committed("verdict", "explained, withheld or set_aside"),
            Committed("reasons", "why it was withheld or set aside: codes, in their order"),
            Committed("statement", "what is told: outcome, details, changes, what was tried; or null"),
            Committed("found", "the numbers behind it, or null"),
            Committed("earlier", "the explanation before, and which members of the statement differ; or null"),
        ),
        person=True,
        together=("runtime", "build", "device"),
    ),
    Kind(
        "finding/1",
        "A result showed something that those who oversee the system must look into (AI Act 26(5)).",
        (SYSTEM, VERSION, Member("rule", "code", "what was found", codes=FINDING_RULES)),
        (
            Committed("reference", "the id of the decision entry"),
            Committed("facts", "what showed it"),
        ),
        person=True,
    ),
    Kind(
        "request/1",
        "A step of what a person asked: an explanation, another look, a correction, access, or an objection. All of it"
        " is committed: that somebody asks hints at an outcome.",
        (),
        (
            Committed("request", "the id of the first step's entry, which all steps of one request have"),
            Committed("step", "received, assigned, extended, asked, replied, answered, refused or withdrawn"),
            Committed("day", "the day of the step, in the agency's time zone; of the first one, when it was received"),
            Committed("right", "explain, look_again, correct, access or object"),
            Committed("reference", "the id of the decision entry, or null"),
            Committed("system", "the slug of the system, or null"),
            Committed("channel", "web, phone, post, counter or representative"),
            Committed("lang", "the language in which the person is answered"),
            Committed("identity", "how it is known who asks: code, checked, not_needed or unchecked"),
            Committed("due", "the day by which an answer is due, as this step leaves it"),
            Committed("ground", "the code of the ground of a refusal or of more time, or null"),
            Committed("text", "what the person wrote, or what the person was sent, or null"),
            Committed("explanation", "the id of the explanation entry that an answer gives, or null"),
            Committed("contact", "how the person is reached, and what was noted about who asks; or null"),
            Committed("subjects", "the normalised references of the persons concerned, in rising order"),
            Committed("assignee", "the account that works on it, as this step leaves it, or null"),
            Committed("account", "the account that took the step, or null"),
        ),
        person=True,
    ),
    Kind(
        "notice/1",
        "Somebody was told about a system. About which result, where it was one, is committed.",
        (SYSTEM, Member("duty", "code", "what asks for it (AI Act 26(7), 26(11), 50)", codes=NOTICE_DUTIES)),
        (
            Committed("reference", "the id of the decision entry, or null"),
            Committed("channel", "how it was given"),
            Committed("day", "on which day"),
            Committed("text", "what was said, or null where it is the notice of the version"),
        ),
        person=True,
    ),
    Kind(
        "incident/1",
        "Something happened that the law wants others to know (AI Act 26(5), 73).",
        (
            SYSTEM,
            Member("version", "uint", "its version", nullable=True),
            Member("incident", "id", "the random id that all steps of one incident have"),
            Member("duty", "code", "a risk, a serious incident, or a report as provider", codes=INCIDENT_DUTIES),
            Member("step", "code", "what happened", codes=INCIDENT_STEPS),
            Member("role", "code", "in which role it was done", codes=ROLES),
        ),
        (
            Committed("facts", "what is known, as it is told"),
            Committed("told", "who was told, and on which day; null where nobody was told in this step"),
        ),
    ),
    Kind(
        "tally/1",
        # A day to which a range of the log adds nothing but reviews is not named: it would hint at which result.
        "Counts and sums of what a range of the log holds, for one system, version, mode and day; or the sum of such.",
        (
            Member("level", "code", "of a day (reviews alone: of a month), or over a period", codes=TALLY_LEVELS),
            Member("system", "slug", "the system; null for requests that named none that is registered", nullable=True),
            Member("version", "uint", "its version; null in a period, and where a request was of none", nullable=True),
            Member(
                "mode", "code", "of what was counted; null in a period (live and pilot)", nullable=True, codes=MODES
            ),
            Member("first", "day", "the first day"),
            Member("last", "day", "the last day"),
            Member("since", "uint", "index of the first entry of this log that was counted", nullable=True),
            Member("until", "uint", "index after the last one", nullable=True),
        ),
        (
            Committed("cells", "the Merkle root (RFC 9162) over the commitments to all cells, as hex digits"),
            Committed("content", "the cells, and the secret of their salts: it stays closed"),
            Committed("parts", "SHA-256 over the ids of the tallies that were summed, or null (see counting/tally.py)"),
        ),
        together=("since", "until"),
    ),
    Kind(
        "publication/1",
        "A document was published.",
        (
            Member("document", "code", "of what sort", codes=PUBLICATIONS),
            Member("digest", "digest", "of the file"),
            Member("first", "day", "the first day that it is about", nullable=True),
            Member("last", "day", "the last day", nullable=True),
        ),
        together=("first", "last"),
    ),
    Kind(
        "sample/1",
        "A sample that neither side can choose: first the population and a nonce that is hidden, then the draw.",
        (
            Member("sample", "id", "the sample; the same in both stages"),
            Member("stage", "code", "which of the two", codes=SAMPLE_STAGES),
            Member("system", "slug", "the system whose decisions it is drawn from; null for all", nullable=True),
            Member("since", "uint", "index of the first entry of this log that belongs to it"),
            Member("until", "uint", "index after the last one"),
            Member("population", "uint", "number of decisions on real people (live or pilot) among them"),
            Member("count", "uint", "number of decisions to draw"),
            Member("witness", "origin", "name of the witness whose cosignature fixes the draw"),
            Member("not_before", "time", "the first checkpoint that it cosigns from then on counts"),
            Member("nonce", "hash", "SHA-256 of the nonce; in the draw the nonce itself"),
            Member(
                "checkpoint",
                "object",
                "the checkpoint that counts, in the draw",
                nullable=True,
                members=(Member("size", "uint", "its size"), Member("root", "hash", "its root")),
            ),
        ),
    ),
)
