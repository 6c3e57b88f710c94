"""`python -m auditlog`: the offline verifier of `auditlog.core`."""

from __future__ import annotations

import sys

from auditlog.core.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
