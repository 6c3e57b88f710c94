"""`greffier system …` and `greffier model …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.actions import lifecycle, register
from app.cli.options import AsJson, Home, print_json, print_rows, progress, read_file
from app.errors import UsageError
from app.wiring import open_home
from registry.system import format_system

app = typer.Typer(no_args_is_help=True, help="The register of systems.")
models = typer.Typer(no_args_is_help=True, help="Model files.")

Slug = Annotated[str, typer.Argument(help="The system's slug.")]
Role = Annotated[str, typer.Option(help="Role code of who changes the state.")]


@models.command("add")
def add_model(
    home: Home,
    file: Annotated[Path, typer.Argument(help="A GGUF file.")],
    quantize: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Make a smaller file of it, such as Q4_0, and add that one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Copy a model file into the content-addressed folder, or a quantised one made of it, and record its digest."""
    if not file.is_file():
        raise UsageError("there is no such file: give the path of a GGUF file", field="FILE")
    with open_home(home) as g:
        if quantize is None:
            model, origin = register.add_model(g, file), {}
        else:
            model, source = register.add_quantized(g, file, quantize, _progress)
            origin = {"derived_from": source.sha256, "quantization": quantize}
            if source.quantized:
                progress("the file was quantised already: what that lost does not come back")
    print_rows(
        [{"sha256": model.sha256, "size": model.size, "name": register.model_name(model), **origin}], as_json=as_json
    )


def _progress(done: int, total: int) -> None:
    # A line each tenth: stderr may be a file.
    if done * 10 // total != (done - 1) * 10 // total:
        progress(f"quantising: {done} of {total} tensors")


@app.command("register")
def register_system(home: Home, file: Annotated[Path, typer.Argument(help="A greffier-system/1 file.")]) -> None:
    """Register a system, or a new version of one."""
    with open_home(home) as g:
        public = register.register(g, read_file(file, "FILE"))
    print_json({"system": public.system.slug, "state": public.state, "running_version": public.running_version})


@app.command("list")
def list_systems(home: Home, as_json: AsJson = False) -> None:
    """All registered systems."""
    with open_home(home, tolerant=True) as g:
        rows = [
            {
                "slug": public.system.slug,
                "name": next(iter(public.system.name.values())),
                "state": public.state,
                "version": public.running_version,
                "capture": public.system.capture,
            }
            for public in register.list_systems(g)
        ]
    print_rows(rows, as_json=as_json, columns=("slug", "name", "state", "version", "capture"))


@app.command("show")
def show_system(home: Home, slug: Slug) -> None:
    """One system with its running version, as JSON."""
    with open_home(home, tolerant=True) as g:
        public = register.show(g, slug)
        history = register.history(g, slug)
    print_json(
        {
            "system": format_system(public.system),
            "state": public.state,
            "running_version": public.running_version,
            "manifest": public.version.digest if public.version else None,
            "history": history,
        }
    )


@app.command("state")
def change_state(
    home: Home,
    slug: Slug,
    to: Annotated[str, typer.Argument(metavar="STATE", help="The state to come into.")],
    reason: Annotated[str | None, typer.Option(help="Reason code; by default the only one of the step.")] = None,
    role: Role = "administrator",
    version: Annotated[int | None, typer.Option(help="The version to run; the newest by default.")] = None,
) -> None:
    """Bring a system into a state by the table of transitions."""
    with open_home(home) as g:
        public = lifecycle.change_state(g, slug, to, reason=reason, role=role, version=version)
    print_json({"system": slug, "state": public.state, "running_version": public.running_version})
