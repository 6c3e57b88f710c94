"""Fits the bias of each outcome: over a version's invented cases each is then about as frequent as declared.

`python -m cli.demo.fit_biases MODEL.gguf` prints the fit; `--write` puts the biases into the files of `cases/`.
The fit sees shares and no right answers: it stops a small model from saying one thing always, and makes it no wiser.
A live system would be fitted, and then tested, on other cases than these.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from registry.gate_report import cases_of
from registry.manifest import Manifest
from registry.register_file import parse_register_file
from runtime.models.weights import add_model
from runtime.program import Request
from runtime.worker.supervisor import Supervisor
from service.deciding.programs import program

CASES = Path(__file__).parent / "cases"
SHARES = {
    "social-loan-check": {"grant": 0.42, "refer": 0.33, "refuse": 0.25},
    "health-line-aid": {"self_care": 0.40, "see_gp": 0.35, "urgent": 0.25},
    "tax-question-reply": {"pay": 0.25, "object": 0.25, "remission": 0.25, "contact": 0.25},
}
ALSO = {"social-loan-check": ("social-loan-check-0",)}
"""Files that take over the biases of another: the draft that is never put into use."""

SHARPNESS = 4.0  # how nearly the smooth choice of the fit is the hard one of the sampler, per nat
ROUNDS = 4000


@dataclass(frozen=True, slots=True)
class Fit:
    """Biases in millinats by outcome code, and how often each outcome came before and after."""

    biases: dict[str, int]
    before: Counter[str]
    after: Counter[str]


def measure(supervisor: Supervisor, manifest: Manifest) -> NDArray[np.float64]:
    """Log-probability (nats) of each outcome's text, without bias: one row a case, one column an outcome."""
    rows = []
    for number, case in enumerate(cases_of(manifest)):
        request = Request(f"fit-{number}", program(manifest), cast("Any", case))
        alternatives = supervisor.generate(request).result().run.alternatives
        rows.append([alternatives[outcome.code] / 1e6 for outcome in manifest.outcomes])
        print(f"\r{manifest.system}: {number + 1} cases", end="", file=sys.stderr)
    print(file=sys.stderr)
    return np.array(rows)


def fit(manifest: Manifest, scores: NDArray[np.float64]) -> Fit:
    """Raise and lower the biases until the smooth shares are the declared ones; the first outcome's bias is 0."""
    codes = [outcome.code for outcome in manifest.outcomes]
    shares = np.array([SHARES[manifest.system][code] for code in codes])
    bias = np.zeros(len(codes))
    for number in range(ROUNDS):
        sharp = (scores + bias) * SHARPNESS
        odds = np.exp(sharp - sharp.max(axis=1, keepdims=True))
        bias += (shares - (odds / odds.sum(axis=1, keepdims=True)).mean(axis=0)) / (1 + number / 400)
    found = np.round((bias - bias[0]) * 100).astype(int) * 10
    chosen = [Counter(codes[index] for index in (scores + added).argmax(axis=1)) for added in (0, found / 1000)]
    return Fit({code: int(value) for code, value in zip(codes, found, strict=True)}, chosen[0], chosen[1])


def write(slug: str, biases: dict[str, int]) -> None:
    """Put the biases into a register file, whose layout stays as it is."""
    path = CASES / f"{slug}.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    for outcome in data["version"]["outcomes"]:
        outcome["bias_millinats"] = biases[outcome["code"]]
    path.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Measure and fit each system of the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the GGUF file that the demo uses")
    parser.add_argument("--write", action="store_true", help="put the biases into the files under cases/")
    parser.add_argument("--system", choices=list(SHARES), action="append", help="only this one; may be repeated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        add_model(options.model, Path(folder) / "models")
        supervisor = Supervisor(Path(folder) / "models", Path(folder) / "run")
        try:
            for slug in options.system or SHARES:
                manifest = parse_register_file((CASES / f"{slug}.json").read_bytes()).manifest
                assert manifest is not None
                found = fit(manifest, measure(supervisor, manifest))
                print(f"{slug}: {found.biases} before {dict(found.before)} after {dict(found.after)}")
                for name in (slug, *ALSO.get(slug, ())) if options.write else ():
                    write(name, found.biases)
        finally:
            supervisor.close()


if __name__ == "__main__":
    main()
