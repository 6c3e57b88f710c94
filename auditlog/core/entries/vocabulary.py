"""The words of entries: types of members, what a value of each looks like, and the lists of codes.

`kinds` builds its table from them; command line and API offer the same lists.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

Type = Literal[
    "id",
    "slug",
    "uint",
    "digest",
    "hash",
    "code",
    "origin",
    "release",
    "feature",
    "time",
    "day",
    "object",
]

MAX_UINT = 2**53 - 1

# What a value of each type looks like; `uint` and `object` have no pattern, a `code` has its own list.
PATTERNS: dict[Type, re.Pattern[str]] = {
    "id": re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    "slug": re.compile(r"[a-z0-9-]{1,64}"),
    "digest": re.compile(r"sha256:[0-9a-f]{64}"),
    "hash": re.compile(r"[0-9a-f]{64}"),
    "origin": re.compile(r"[!-*,-~]{1,255}"),  # visible ASCII without "+", which separates fields in key names
    "release": re.compile(r"[A-Za-z0-9 ._+-]{1,80}"),
    "feature": re.compile(r"[A-Z0-9_]{1,24}"),
    "time": re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2})Z"),
    "day": re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})"),
}

MEANING: dict[Type, str] = {
    "id": "a random UUIDv4 in lower case",
    "slug": "1 to 64 of a-z, 0-9 and -",
    "uint": "an integer from 0 to 2^53-1",
    "digest": '"sha256:" and 64 lower-case hex digits',
    "hash": "64 lower-case hex digits",
    "code": "one of the codes listed",
    "origin": 'the name of a log: 1 to 255 visible ASCII characters without space and "+"',
    "release": 'a technical version: 1 to 80 of A-Z, a-z, 0-9, space and "._+-"',
    "feature": "a processor feature: 1 to 24 of A-Z, 0-9 and _",
    "time": 'UTC, cut to the minute: "2026-11-24T08:15Z"',
    "day": 'a day of UTC: "2026-11-24"',
    "object": "an object with exactly the members listed",
}

KIND_NAME = re.compile(r"[a-z_]{1,40}/[1-9][0-9]{0,3}")
FIELD_ID = re.compile(r"[a-z0-9_]{1,40}")
INPUT_PREFIX = "in_"

STATES = ("draft", "in_review", "approved", "pilot", "active", "suspended", "retired")
STATE_REASONS = (
    "registered",
    "submitted",
    "returned",
    "approved",
    "started",
    "new_version",
    "malfunction",
    "incident",
    "complaint",
    "authority",
    "maintenance",
    "resolved",
    "ended",
    "other",
)
ROLES = ("administrator", "operator", "officer", "approver", "auditor", "privacy_officer", "program")
CAPTURES = ("runtime", "gateway", "external")
MODES = ("live", "pilot", "test", "shadow")
DETERMINISM = ("not_measured", "bit", "token", "tolerance")
VERDICTS = ("bit_exact", "token_exact", "within_tolerance", "mismatch", "not_replayable")
REPLAY_CAUSES = ("request", "sample", "daily", "explanation")
REPLAY_REASONS = (  # what differed first; then why nothing could be run again
    "manifest",
    "model",
    "prompt",
    "seed",
    "tokens",
    "outcome",
    "rows",
    "logprobs",
    "weights_absent",
    "erased",
    "external",
    "provider",
    "not_recorded",
    "build",
)
OUTAGE_CAUSES = ("disk_full", "unwritable", "database", "guard", "key_store", "worker_lost", "unknown")
REFUSALS = (
    "unknown_system",
    "not_running",
    "suspended",
    "retired",
    "model_missing",
    "model_altered",
    "model_not_registered",
    "build_not_accepted",
    "input_invalid",
    "input_undeclared",
    "stopped_meanwhile",
    "version_mismatch",
    "too_large",
)
UNFINISHED = (
    "worker_lost",
    "output_invalid",
    "stopped",
    "too_large",
    "client_left",
    "deadline",
    "duplicate",
    "provider_failed",
    "not_recorded",  # it was made, and the log could not take it then
)
EXPLANATION_CAUSES = ("request", "letter", "survey")
FITNESS_VERDICTS = ("passed", "held_back", "not_measurable")
FITNESS_TESTS = ("variety", "sensitivity", "protected", "stability", "explanations", "form")
OVERRIDE_GROUNDS = ("measured_elsewhere", "no_cases", "trial", "law", "other")
FINDING_RULES = ("protected_characteristic",)
INCIDENT_DUTIES = ("risk", "serious", "provider")  # AI Act 26(5) with 79(1); 26(5) with 3(49); 73
INCIDENT_STEPS = ("opened", "told", "closed")
NOTICE_DUTIES = ("affected_person", "workers", "talks", "emotion_or_biometric", "deep_fake", "public_text")
FREEZE_REASONS = ("year", "keys", "other")
GROUNDS = (  # GDPR 17(1)(a) to (f), and the end of a retention period
    "not_needed",
    "consent_withdrawn",
    "objection",
    "unlawful",
    "legal_obligation",
    "child",
    "retention_expired",
)
ACCOUNT_ACTIONS = ("added", "changed", "ended", "reset", "lost")
READERS = (*ROLES, "client", "person")  # who reads content; "person": the one whom the record concerns
Purpose = Literal[
    "receipt",
    "letter",
    "review",
    "repeat",
    "correction",
    "lookup",
    "access_file",
    "explanation",
    "replay",
    "evidence",
    "sample",
    "export",
    "query",
    "request",
]  # what content is read for
PURPOSES: tuple[str, ...] = get_args(Purpose)
HOLD_ACTIONS = ("placed", "lifted")
HOLD_GROUNDS = ("legal_claim", "restriction", "inquiry", "archive")  # "restriction": GDPR 18
TALLY_LEVELS = ("day", "period")
SAMPLE_STAGES = ("population", "draw")
PUBLICATIONS = ("transparency", "register", "other")
RIGHTS = ("explain", "look_again", "correct", "access", "object")  # committed, hence no member has them
REQUEST_STEPS = (  # committed, too
    "received",
    "assigned",
    "extended",
    "asked",
    "replied",
    "answered",
    "refused",
    "withdrawn",
)
CHANNELS = ("web", "phone", "post", "counter", "representative")  # committed, too
REVIEW_ACTIONS = ("confirm", "override", "refer", "release")  # committed, hence no member has them
ENERGY_METHODS = ("measured", "measured_package", "estimated", "not_measured")  # committed, too
