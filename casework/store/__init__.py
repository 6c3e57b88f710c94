"""Requests and reviews in SQL."""

from casework.store.tables import metadata

__all__ = ("metadata",)
