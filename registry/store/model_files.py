"""The models whose files may be loaded, by the SHA-256 of the file."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, insert, select

from registry.errors import Conflict
from registry.store.tables import MODEL


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model file: `sha256` (64 hex digits), `size` in bytes, the file that it was quantised from, if any."""

    sha256: str
    size: int
    name: str
    derived_from: str | None = None
    quantization: str | None = None


def add_model(conn: Connection, model: RegisteredModel) -> None:
    """Register a model file. Raises Conflict if it is registered already."""
    if find_model(conn, model.sha256) is not None:
        raise Conflict("is registered already; nothing to do", field="model")
    conn.execute(insert(MODEL).values(**asdict(model)))


def find_model(conn: Connection, sha256: str) -> RegisteredModel | None:
    """The registered model of that digest, or None."""
    row = conn.execute(select(MODEL).where(MODEL.c.sha256 == sha256)).one_or_none()
    return None if row is None else RegisteredModel(**row._mapping)


def list_models(conn: Connection) -> list[RegisteredModel]:
    """Every registered model, by digest."""
    return [RegisteredModel(**row._mapping) for row in conn.execute(select(MODEL).order_by(MODEL.c.sha256))]
