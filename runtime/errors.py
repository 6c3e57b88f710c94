"""The error family of the runtime. Faults cross the worker's pipe, so each is data as well as an exception."""

from __future__ import annotations

from typing import Any, ClassVar


class RuntimeFault(Exception):
    """Base of the family.

    `field` names what is wrong (a path such as `output_schema.properties.result.format`), `fix` says how to mend it.
    `reason` is the code of `refused/1` or `unfinished/1` that fits, or None where neither is meant (faults at
    registration). `n` is the decision number that had been taken when the fault came (then it is *unfinished*), None
    before (then *refused*). Messages never quote a caller's value.
    """

    default_reason: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        fix: str | None = None,
        reason: str | None = None,
        boot: str | None = None,
        n: int | None = None,
    ) -> None:
        text = message if field is None else f"{field}: {message}"
        super().__init__(text if fix is None else f"{text}. {fix[0].upper()}{fix[1:]}.")
        self.message = message
        self.field = field
        self.fix = fix
        self.reason = reason or self.default_reason
        self.boot = boot
        self.n = n


class ModelMissing(RuntimeFault):
    """No file of that SHA-256 in the models folder."""

    default_reason = "model_missing"


class ModelAltered(RuntimeFault):
    """The file's bytes do not have the registered SHA-256."""

    default_reason = "model_altered"


class ModelTruncated(ModelAltered):
    """The file ends before the tensors that its header announces."""


class NotGguf(ModelAltered):
    """The file is no GGUF file."""


class ModelUnusable(RuntimeFault):
    """A sound GGUF file that this build of llama.cpp cannot load or run."""

    default_reason = "build_not_accepted"


class NoRoom(RuntimeFault):
    """The disk has no room for a file that is to be made."""


class ProgramInvalid(RuntimeFault):
    """A version's program contradicts itself. Found at registration."""


class TemplateInvalid(ProgramInvalid):
    """A prompt template does not parse, or uses more of Jinja than plain fields and conditions."""


class SchemaRefused(ProgramInvalid):
    """A schema uses a keyword or form outside the allow-list."""


class InputInvalid(RuntimeFault):
    """A field's value does not fit its schema, or cannot stand in a prompt."""

    default_reason = "input_invalid"


class InputUndeclared(RuntimeFault):
    """A field that the version does not declare."""

    default_reason = "input_undeclared"


class PromptTooLong(RuntimeFault):
    """Prompt and answer do not fit into one sequence of the context."""

    default_reason = "too_large"


class OutputInvalid(RuntimeFault):
    """The finished output does not fit the output schema."""

    default_reason = "output_invalid"


class Busy(RuntimeFault):
    """More requests wait than this device will answer in time. Nothing was begun and nothing is recorded."""


class DeadlineExceeded(RuntimeFault):
    """The request's time was over before its answer."""

    default_reason = "deadline"


class Stopped(RuntimeFault):
    """The request was cancelled, or the runtime was closed before its turn."""

    default_reason = "stopped"


class WorkerLost(RuntimeFault):
    """The worker process ended. `reached` is how far its counter had come; `n` is this request's own, if it had one."""

    default_reason = "worker_lost"

    def __init__(self, message: str, *, boot: str, reached: int, n: int | None = None, fix: str | None = None) -> None:
        super().__init__(message, fix=fix, boot=boot, n=n)
        self.reached = reached


class NotRunning(RuntimeFault):
    """The supervisor is closed or was never started."""


class CallRefused(RuntimeFault):
    """A call that llama.cpp would answer with an abort of the process, refused before it was made."""


class ContextFull(CallRefused):
    """A batch found no room in the cache; nothing was decoded and nothing changed."""

    default_reason = "too_large"


class CounterDamaged(RuntimeFault):
    """A counter file is not eight bytes, or already there."""


class PlanFailed(RuntimeFault):
    """The plan of an explanation or a survey broke: a fault of this program, which ends that job alone."""


class PipeBroken(RuntimeFault):
    """A frame between supervisor and worker is malformed."""


FAULTS: dict[str, type[RuntimeFault]] = {
    kind.__name__: kind
    for kind in (
        RuntimeFault, ModelMissing, ModelAltered, ModelTruncated, NotGguf, ModelUnusable, ProgramInvalid,
        TemplateInvalid, SchemaRefused, InputInvalid, InputUndeclared, PromptTooLong, OutputInvalid, Busy,
        DeadlineExceeded, Stopped, NotRunning, CallRefused, ContextFull, CounterDamaged, PlanFailed, PipeBroken,
    )
}  # fmt: skip


def format_fault(fault: RuntimeFault) -> dict[str, Any]:
    """A fault as the JSON object that crosses the pipe."""
    return {
        "kind": type(fault).__name__,
        "message": fault.message,
        "field": fault.field,
        "fix": fault.fix,
        "reason": fault.reason,
        "boot": fault.boot,
        "n": fault.n,
    }


def parse_fault(data: dict[str, Any]) -> RuntimeFault:
    """The fault that `format_fault` wrote; of an unknown kind, the base class."""
    members = dict(data)
    kind = FAULTS.get(members.pop("kind"), RuntimeFault)
    return kind(members.pop("message"), **members)
