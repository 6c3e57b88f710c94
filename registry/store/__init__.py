"""The register in SQL. Functions take a connection and write nothing beside it; actions import no SQLAlchemy."""

from __future__ import annotations

from registry.store.tables import metadata

__all__ = ["metadata"]
