"""What holds between a system's public record and a version of it."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from registry.errors import FormatError
from registry.manifest import Manifest
from registry.system import AISystem


def verify_together(system: AISystem, manifest: Manifest | None) -> None:
    """What holds between the public record and the version that it comes with."""
    if system.capture == "none" and manifest is not None:
        raise FormatError("runs elsewhere unrecorded and has no version; leave `version` out", field="system.capture")
    if manifest is None:
        if system.capture in {"runtime", "gateway"}:
            raise FormatError("is missing; give the version, or capture none or external", field="version")
        return
    if system.capture == "runtime" and manifest.model is None:
        raise FormatError("is missing; a system that runs here names its model", field="version.model")
    if system.capture == "gateway" and manifest.remote is None:
        raise FormatError("is missing; a system asked through us names provider and endpoint", field="version.remote")
    if system.capture == "gateway":
        verify_remote(system, manifest, "version")
    if manifest.undeclared is not None and system.capture != "external":
        raise FormatError("is for records from elsewhere (capture external); leave it out", field="version.undeclared")
    _verify_tested(system, manifest)
    if manifest.streaming and system.classification.annex_iii:
        raise FormatError(
            "is true for a system of Annex III; write false: a result leaves whole, after its record",
            field="version.streaming",
        )


def _verify_tested(system: AISystem, manifest: Manifest) -> None:
    for name in ("wordings", "fitness"):
        if getattr(manifest, name) is not None and system.capture != "runtime":
            what = "is for a system that decides here (capture runtime); leave it out"
            raise FormatError(what, field=f"version.{name}")


def verify_remote(system: AISystem, manifest: Manifest, path: str) -> None:
    """Raises FormatError with the path of what does not fit; a version without a remote model always fits."""
    if manifest.remote is None:
        return
    _verify_endpoint(manifest.remote.endpoint, f"{path}.remote.endpoint")
    if manifest.streaming:
        raise FormatError(
            "is true, and what a model elsewhere gives leaves whole, after its record; write false",
            field=f"{path}.streaming",
        )
    for index, outcome in enumerate(manifest.outcomes):
        if outcome.bias_millinats:
            raise FormatError(
                "cannot be added to a model that runs elsewhere; write 0",
                field=f"{path}.outcomes[{index}].bias_millinats",
            )
    if system.classification.annex_iii:
        _verify_held(manifest, path)


def _verify_held(manifest: Manifest, path: str) -> None:
    """A result of Annex III that nobody here can make again leaves only after a person has looked."""
    what = "lets results of Annex III leave at once, made where nobody can check them again; write after_review"
    if manifest.release != "after_review":
        raise FormatError(what, field=f"{path}.release")
    for index, outcome in enumerate(manifest.outcomes):
        if manifest.release_of(outcome.code) != "after_review":
            raise FormatError(what, field=f"{path}.outcomes[{index}].release")


def _verify_endpoint(endpoint: str, path: str) -> None:
    """The address is public: no key, name or password in it. Only this machine is asked without TLS."""
    try:
        parts = urlsplit(endpoint)
        _ = parts.port
    except ValueError:
        raise FormatError("is no address; write it as https://host/v1", field=path) from None
    if not parts.hostname:
        raise FormatError("names no host; write it as https://host/v1", field=path)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise FormatError(
            "is public; leave out names, passwords, ? and #, and put the key into keys/remote/", field=path
        )
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise FormatError("ends before /chat/completions; leave that out", field=path)
    if parts.scheme != "https" and not _is_loopback(parts):
        raise FormatError("sends data without TLS; write https:// (http:// is for this machine only)", field=path)


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
