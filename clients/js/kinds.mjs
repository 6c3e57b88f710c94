// Made by make_kinds.py from the table of entry kinds; do not edit. The table is part of the format; the code that
// reads entries by it is in entry.mjs.
export const KIND_NAME = "[a-z_]{1,40}/[1-9][0-9]{0,3}";
export const FIELD_ID = "[a-z0-9_]{1,40}";
export const INPUT_PREFIX = "in_";
export const PATTERNS = {
 "id": "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
 "slug": "[a-z0-9-]{1,64}",
 "digest": "sha256:[0-9a-f]{64}",
 "hash": "[0-9a-f]{64}",
 "origin": "[!-*,-~]{1,255}",
 "release": "[A-Za-z0-9 ._+-]{1,80}",
 "feature": "[A-Z0-9_]{1,24}",
 "time": "([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2})Z",
 "day": "([0-9]{4})-([0-9]{2})-([0-9]{2})"
};
export const MEANING = {
 "id": "a random UUIDv4 in lower case",
 "slug": "1 to 64 of a-z, 0-9 and -",
 "uint": "an integer from 0 to 2^53-1",
 "digest": "\"sha256:\" and 64 lower-case hex digits",
 "hash": "64 lower-case hex digits",
 "code": "one of the codes listed",
 "origin": "the name of a log: 1 to 255 visible ASCII characters without space and \"+\"",
 "release": "a technical version: 1 to 80 of A-Z, a-z, 0-9, space and \"._+-\"",
 "feature": "a processor feature: 1 to 24 of A-Z, 0-9 and _",
 "time": "UTC, cut to the minute: \"2026-11-24T08:15Z\"",
 "day": "a day of UTC: \"2026-11-24\"",
 "object": "an object with exactly the members listed"
};
export const COMMON = [
 {
  "name": "kind",
  "type": "code"
 },
 {
  "name": "id",
  "type": "id"
 },
 {
  "name": "agency",
  "type": "slug"
 },
 {
  "name": "time",
  "type": "time"
 }
];
export const KINDS = {
 "genesis/1": {
  "members": [
   {
    "name": "origin",
    "type": "origin"
   },
   {
    "name": "log",
    "type": "uint"
   },
   {
    "name": "software",
    "type": "release"
   },
   {
    "name": "predecessor",
    "type": "object",
    "nullable": true,
    "members": [
     {
      "name": "origin",
      "type": "origin"
     },
     {
      "name": "size",
      "type": "uint"
     },
     {
      "name": "root",
      "type": "hash"
     }
    ]
   },
   {
    "name": "lost",
    "type": "uint",
    "nullable": true
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "system/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "record",
    "type": "digest"
   },
   {
    "name": "action",
    "type": "code",
    "codes": [
     "registered",
     "changed"
    ]
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "version/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint"
   },
   {
    "name": "manifest",
    "type": "digest"
   },
   {
    "name": "model",
    "type": "digest",
    "nullable": true
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "state/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint",
    "nullable": true
   },
   {
    "name": "manifest",
    "type": "digest",
    "nullable": true
   },
   {
    "name": "from",
    "type": "code",
    "nullable": true,
    "codes": [
     "draft",
     "in_review",
     "approved",
     "pilot",
     "active",
     "suspended",
     "retired"
    ]
   },
   {
    "name": "to",
    "type": "code",
    "codes": [
     "draft",
     "in_review",
     "approved",
     "pilot",
     "active",
     "suspended",
     "retired"
    ]
   },
   {
    "name": "reason",
    "type": "code",
    "codes": [
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
     "other"
    ]
   },
   {
    "name": "role",
    "type": "code",
    "codes": [
     "administrator",
     "operator",
     "officer",
     "approver",
     "auditor",
     "privacy_officer",
     "program"
    ]
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": [
   "version",
   "manifest"
  ]
 },
 "model/1": {
  "members": [
   {
    "name": "model",
    "type": "digest"
   },
   {
    "name": "size",
    "type": "uint"
   },
   {
    "name": "format",
    "type": "code",
    "codes": [
     "gguf"
    ]
   },
   {
    "name": "derived_from",
    "type": "digest",
    "nullable": true
   },
   {
    "name": "quantization",
    "type": "release",
    "nullable": true
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "boot/1": {
  "members": [
   {
    "name": "boot",
    "type": "id"
   },
   {
    "name": "runtime",
    "type": "release"
   },
   {
    "name": "build",
    "type": "digest"
   },
   {
    "name": "cpu",
    "type": "feature",
    "many": true
   },
   {
    "name": "threads",
    "type": "uint"
   },
   {
    "name": "determinism",
    "type": "code",
    "codes": [
     "not_measured",
     "bit",
     "token",
     "tolerance"
    ]
   },
   {
    "name": "unclosed",
    "type": "object",
    "many": true,
    "members": [
     {
      "name": "boot",
      "type": "id"
     },
     {
      "name": "n",
      "type": "uint"
     }
    ]
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "selftest/1": {
  "members": [
   {
    "name": "boot",
    "type": "id"
   },
   {
    "name": "model",
    "type": "digest"
   },
   {
    "name": "context",
    "type": "digest"
   },
   {
    "name": "build",
    "type": "digest"
   },
   {
    "name": "device",
    "type": "release"
   },
   {
    "name": "determinism",
    "type": "code",
    "codes": [
     "not_measured",
     "bit",
     "token",
     "tolerance"
    ]
   },
   {
    "name": "measured",
    "type": "time"
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "fitness/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint"
   },
   {
    "name": "manifest",
    "type": "digest"
   },
   {
    "name": "verdict",
    "type": "code",
    "codes": [
     "passed",
     "held_back",
     "not_measurable"
    ]
   },
   {
    "name": "failed",
    "type": "code",
    "many": true,
    "codes": [
     "variety",
     "sensitivity",
     "protected",
     "stability",
     "explanations",
     "form"
    ]
   },
   {
    "name": "cases",
    "type": "uint"
   },
   {
    "name": "report",
    "type": "digest"
   },
   {
    "name": "runtime",
    "type": "release",
    "nullable": true
   },
   {
    "name": "build",
    "type": "digest",
    "nullable": true
   },
   {
    "name": "device",
    "type": "release",
    "nullable": true
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": [
   "runtime",
   "build",
   "device"
  ]
 },
 "override/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint"
   },
   {
    "name": "fitness",
    "type": "digest",
    "nullable": true
   },
   {
    "name": "ground",
    "type": "code",
    "codes": [
     "measured_elsewhere",
     "no_cases",
     "trial",
     "law",
     "other"
    ]
   },
   {
    "name": "statement",
    "type": "digest"
   },
   {
    "name": "role",
    "type": "code",
    "codes": [
     "administrator",
     "operator",
     "officer",
     "approver",
     "auditor",
     "privacy_officer",
     "program"
    ]
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "modification/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint"
   },
   {
    "name": "substantial",
    "type": "code",
    "codes": [
     "yes",
     "no"
    ]
   },
   {
    "name": "statement",
    "type": "digest"
   },
   {
    "name": "role",
    "type": "code",
    "codes": [
     "administrator",
     "operator",
     "officer",
     "approver",
     "auditor",
     "privacy_officer",
     "program"
    ]
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "answers/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "rules",
    "type": "release"
   },
   {
    "name": "answers",
    "type": "digest"
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "account/1": {
  "members": [
   {
    "name": "action",
    "type": "code",
    "codes": [
     "added",
     "changed",
     "ended",
     "reset",
     "lost"
    ]
   },
   {
    "name": "role",
    "type": "code",
    "codes": [
     "administrator",
     "operator",
     "officer",
     "approver",
     "auditor",
     "privacy_officer",
     "program"
    ]
   },
   {
    "name": "account",
    "type": "id"
   },
   {
    "name": "row",
    "type": "digest",
    "nullable": true
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "close/1": {
  "members": [
   {
    "name": "boot",
    "type": "id"
   },
   {
    "name": "n",
    "type": "uint"
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "pulse/1": {
  "members": [
   {
    "name": "boots",
    "type": "object",
    "many": true,
    "members": [
     {
      "name": "boot",
      "type": "id"
     },
     {
      "name": "n",
      "type": "uint"
     }
    ]
   },
   {
    "name": "recording",
    "type": "code",
    "codes": [
     "ok",
     "recovered"
    ]
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "outage/1": {
  "members": [
   {
    "name": "cause",
    "type": "code",
    "codes": [
     "disk_full",
     "unwritable",
     "database",
     "guard",
     "key_store",
     "worker_lost",
     "unknown"
    ]
   },
   {
    "name": "began",
    "type": "time"
   },
   {
    "name": "ended",
    "type": "time"
   },
   {
    "name": "boot",
    "type": "id",
    "nullable": true
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "refused/1": {
  "members": [
   {
    "name": "system",
    "type": "slug",
    "nullable": true
   },
   {
    "name": "version",
    "type": "uint",
    "nullable": true
   },
   {
    "name": "reason",
    "type": "code",
    "codes": [
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
     "too_large"
    ]
   },
   {
    "name": "boot",
    "type": "id",
    "nullable": true
   },
   {
    "name": "n",
    "type": "uint",
    "nullable": true
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": [
   "boot",
   "n"
  ]
 },
 "opened/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint"
   },
   {
    "name": "manifest",
    "type": "digest"
   },
   {
    "name": "capture",
    "type": "code",
    "codes": [
     "runtime",
     "gateway",
     "external"
    ]
   },
   {
    "name": "mode",
    "type": "code",
    "codes": [
     "live",
     "pilot",
     "test",
     "shadow"
    ]
   },
   {
    "name": "boot",
    "type": "id"
   },
   {
    "name": "n",
    "type": "uint"
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "unfinished/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint"
   },
   {
    "name": "manifest",
    "type": "digest"
   },
   {
    "name": "boot",
    "type": "id"
   },
   {
    "name": "n",
    "type": "uint"
   },
   {
    "name": "reason",
    "type": "code",
    "codes": [
     "worker_lost",
     "output_invalid",
     "stopped",
     "too_large",
     "client_left",
     "deadline",
     "duplicate",
     "provider_failed",
     "not_recorded"
    ]
   },
   {
    "name": "opened",
    "type": "id",
    "nullable": true
   }
  ],
  "commits": [
   "reached"
  ],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "decision/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint"
   },
   {
    "name": "manifest",
    "type": "digest"
   },
   {
    "name": "capture",
    "type": "code",
    "codes": [
     "runtime",
     "gateway",
     "external"
    ]
   },
   {
    "name": "mode",
    "type": "code",
    "codes": [
     "live",
     "pilot",
     "test",
     "shadow"
    ]
   },
   {
    "name": "boot",
    "type": "id",
    "nullable": true
   },
   {
    "name": "source",
    "type": "slug",
    "nullable": true
   },
   {
    "name": "n",
    "type": "uint"
   },
   {
    "name": "opened",
    "type": "id",
    "nullable": true
   }
  ],
  "commits": [
   "output",
   "outcome",
   "subjects",
   "parent",
   "usage",
   "run",
   "times"
  ],
  "inputs": true,
  "oneOf": [
   "boot",
   "source"
  ],
  "together": []
 },
 "review/1": {
  "members": [],
  "commits": [
   "reference",
   "action",
   "decision",
   "reasons",
   "text",
   "effect",
   "notified"
  ],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "erasure/1": {
  "members": [
   {
    "name": "record",
    "type": "id"
   },
   {
    "name": "ground",
    "type": "code",
    "codes": [
     "not_needed",
     "consent_withdrawn",
     "objection",
     "unlawful",
     "legal_obligation",
     "child",
     "retention_expired"
    ]
   },
   {
    "name": "role",
    "type": "code",
    "codes": [
     "administrator",
     "operator",
     "officer",
     "approver",
     "auditor",
     "privacy_officer",
     "program"
    ]
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "correction/1": {
  "members": [
   {
    "name": "record",
    "type": "id"
   },
   {
    "name": "role",
    "type": "code",
    "codes": [
     "administrator",
     "operator",
     "officer",
     "approver",
     "auditor",
     "privacy_officer",
     "program"
    ]
   }
  ],
  "commits": [
   "values",
   "reasons"
  ],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "hold/1": {
  "members": [
   {
    "name": "action",
    "type": "code",
    "codes": [
     "placed",
     "lifted"
    ]
   },
   {
    "name": "ground",
    "type": "code",
    "codes": [
     "legal_claim",
     "restriction",
     "inquiry",
     "archive"
    ]
   },
   {
    "name": "role",
    "type": "code",
    "codes": [
     "administrator",
     "operator",
     "officer",
     "approver",
     "auditor",
     "privacy_officer",
     "program"
    ]
   }
  ],
  "commits": [
   "reference",
   "note"
  ],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "access/1": {
  "members": [
   {
    "name": "purpose",
    "type": "code",
    "codes": [
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
     "request"
    ]
   },
   {
    "name": "role",
    "type": "code",
    "codes": [
     "administrator",
     "operator",
     "officer",
     "approver",
     "auditor",
     "privacy_officer",
     "program",
     "client",
     "person"
    ]
   }
  ],
  "commits": [
   "records",
   "ids",
   "scope",
   "account"
  ],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "replay/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint"
   },
   {
    "name": "verdict",
    "type": "code",
    "codes": [
     "bit_exact",
     "token_exact",
     "within_tolerance",
     "mismatch",
     "not_replayable"
    ]
   },
   {
    "name": "reason",
    "type": "code",
    "nullable": true,
    "codes": [
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
     "build"
    ]
   },
   {
    "name": "cause",
    "type": "code",
    "codes": [
     "request",
     "sample",
     "daily",
     "explanation"
    ]
   },
   {
    "name": "runtime",
    "type": "release",
    "nullable": true
   },
   {
    "name": "build",
    "type": "digest",
    "nullable": true
   },
   {
    "name": "device",
    "type": "release",
    "nullable": true
   }
  ],
  "commits": [
   "reference",
   "found"
  ],
  "inputs": false,
  "oneOf": [],
  "together": [
   "runtime",
   "build",
   "device"
  ]
 },
 "explanation/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint"
   },
   {
    "name": "cause",
    "type": "code",
    "codes": [
     "request",
     "letter",
     "survey"
    ]
   },
   {
    "name": "runtime",
    "type": "release",
    "nullable": true
   },
   {
    "name": "build",
    "type": "digest",
    "nullable": true
   },
   {
    "name": "device",
    "type": "release",
    "nullable": true
   }
  ],
  "commits": [
   "reference",
   "verdict",
   "reasons",
   "statement",
   "found",
   "earlier"
  ],
  "inputs": false,
  "oneOf": [],
  "together": [
   "runtime",
   "build",
   "device"
  ]
 },
 "finding/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint"
   },
   {
    "name": "rule",
    "type": "code",
    "codes": [
     "protected_characteristic"
    ]
   }
  ],
  "commits": [
   "reference",
   "facts"
  ],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "request/1": {
  "members": [],
  "commits": [
   "request",
   "step",
   "day",
   "right",
   "reference",
   "system",
   "channel",
   "lang",
   "identity",
   "due",
   "ground",
   "text",
   "explanation",
   "contact",
   "subjects",
   "assignee",
   "account"
  ],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "notice/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "duty",
    "type": "code",
    "codes": [
     "affected_person",
     "workers",
     "talks",
     "emotion_or_biometric",
     "deep_fake",
     "public_text"
    ]
   }
  ],
  "commits": [
   "reference",
   "channel",
   "day",
   "text"
  ],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "incident/1": {
  "members": [
   {
    "name": "system",
    "type": "slug"
   },
   {
    "name": "version",
    "type": "uint",
    "nullable": true
   },
   {
    "name": "incident",
    "type": "id"
   },
   {
    "name": "duty",
    "type": "code",
    "codes": [
     "risk",
     "serious",
     "provider"
    ]
   },
   {
    "name": "step",
    "type": "code",
    "codes": [
     "opened",
     "told",
     "closed"
    ]
   },
   {
    "name": "role",
    "type": "code",
    "codes": [
     "administrator",
     "operator",
     "officer",
     "approver",
     "auditor",
     "privacy_officer",
     "program"
    ]
   }
  ],
  "commits": [
   "facts",
   "told"
  ],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "tally/1": {
  "members": [
   {
    "name": "level",
    "type": "code",
    "codes": [
     "day",
     "period"
    ]
   },
   {
    "name": "system",
    "type": "slug",
    "nullable": true
   },
   {
    "name": "version",
    "type": "uint",
    "nullable": true
   },
   {
    "name": "mode",
    "type": "code",
    "nullable": true,
    "codes": [
     "live",
     "pilot",
     "test",
     "shadow"
    ]
   },
   {
    "name": "first",
    "type": "day"
   },
   {
    "name": "last",
    "type": "day"
   },
   {
    "name": "since",
    "type": "uint",
    "nullable": true
   },
   {
    "name": "until",
    "type": "uint",
    "nullable": true
   }
  ],
  "commits": [
   "cells",
   "content",
   "parts"
  ],
  "inputs": false,
  "oneOf": [],
  "together": [
   "since",
   "until"
  ]
 },
 "publication/1": {
  "members": [
   {
    "name": "document",
    "type": "code",
    "codes": [
     "transparency",
     "register",
     "other"
    ]
   },
   {
    "name": "digest",
    "type": "digest"
   },
   {
    "name": "first",
    "type": "day",
    "nullable": true
   },
   {
    "name": "last",
    "type": "day",
    "nullable": true
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": [
   "first",
   "last"
  ]
 },
 "sample/1": {
  "members": [
   {
    "name": "sample",
    "type": "id"
   },
   {
    "name": "stage",
    "type": "code",
    "codes": [
     "population",
     "draw"
    ]
   },
   {
    "name": "system",
    "type": "slug",
    "nullable": true
   },
   {
    "name": "since",
    "type": "uint"
   },
   {
    "name": "until",
    "type": "uint"
   },
   {
    "name": "population",
    "type": "uint"
   },
   {
    "name": "count",
    "type": "uint"
   },
   {
    "name": "witness",
    "type": "origin"
   },
   {
    "name": "not_before",
    "type": "time"
   },
   {
    "name": "nonce",
    "type": "hash"
   },
   {
    "name": "checkpoint",
    "type": "object",
    "nullable": true,
    "members": [
     {
      "name": "size",
      "type": "uint"
     },
     {
      "name": "root",
      "type": "hash"
     }
    ]
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "rotation/1": {
  "members": [
   {
    "name": "added",
    "type": "digest",
    "many": true
   },
   {
    "name": "retired",
    "type": "digest",
    "many": true
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 },
 "freeze/1": {
  "members": [
   {
    "name": "reason",
    "type": "code",
    "codes": [
     "year",
     "keys",
     "other"
    ]
   },
   {
    "name": "successor",
    "type": "origin",
    "nullable": true
   }
  ],
  "commits": [],
  "inputs": false,
  "oneOf": [],
  "together": []
 }
};
