"""Tables of the log and the vault, and the statements over them: every function takes a connection."""

from __future__ import annotations

from sqlalchemy import MetaData

metadata = MetaData()
