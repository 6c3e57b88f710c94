"""`greffier evidence`: what an auditor takes away about one decision, or about a sample."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.actions import evidence, evidence_files, samples
from app.cli.options import Home, progress, reader_as
from app.wiring import open_home


def add_commands(app: typer.Typer) -> None:
    """Register this file's command."""
    app.command("evidence")(write_evidence)


def write_evidence(
    home: Home,
    reference: Annotated[str, typer.Argument(metavar="ID", help="Id of a decision, or of a sample that was drawn.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A new folder, or a new file that ends in .zip.")],
    role: Annotated[str, typer.Option("--as", help="In which role it is read.")] = "administrator",
    with_log: Annotated[
        bool, typer.Option("--log/--no-log", help="Whether a sample comes with a copy of the log.")
    ] = True,
) -> None:
    """Entries, openings, manifests, proofs, policy, verifier and one page of text, in a folder or a zip."""
    reader = reader_as(role)
    evidence_files.demand_new(output)
    with open_home(home) as g:
        if any(sample.id == reference for sample in samples.list_all(g)):
            pack = evidence.of_sample(g, reader, reference, with_log=with_log)
        else:
            pack = evidence.of_record(g, reader, reference)
        write = evidence_files.write_zip if output.suffix == ".zip" else evidence_files.write_folder
        write(g, pack, output)
    progress(f"{output}: read evidence.en.txt or evidence.nl.txt in it first")
