"""Stored texts as records and versions, each parsed once: the gate reads the same ones for every decision."""

from __future__ import annotations

from functools import lru_cache

from registry.manifest import SystemVersion
from registry.manifest_rules import parse_manifest
from registry.system import AISystem, parse_record


@lru_cache(maxsize=256)
def version_of(text: str) -> SystemVersion:
    """The version that a stored manifest is. Raises FormatError."""
    manifest = parse_manifest(text.encode())
    return SystemVersion(manifest.system, manifest.version, manifest)


@lru_cache(maxsize=256)
def record_of(text: str) -> AISystem:
    """The record that a stored text is. Raises FormatError."""
    return parse_record(text.encode())
