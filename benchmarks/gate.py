"""Twenty deliberately worse candidates and five better ones before the gate, each really made and asked.

    FOOTNOTE_HOME=<home with approved pairs> python -m benchmarks.gate [--examples 300] [--kind stale ...]

The home is copied, so that nothing of it changes. Encoders are tuned on the same pairs of ``train``; the gate
asks the pairs of ``dev``, which nothing here is chosen on. It takes a hundred of them: of fewer the gate
rightly says that they prove nothing of the better ones.

- Better, beside the configured encoder: the encoder tuned with five seeds.
- Worse, beside the first of these: five tuned on noisy labels (questions with the passages of others), five
  half-trained (stopped after one to five steps), five wrong adapters (three of random weights, one that
  belongs to another model, one with a byte changed), and five with a stale index (the live models, and an
  index of before the newest document).
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from app.catalogue import ModelUnavailable
from app.cli.documents import ingest_files
from app.evaluations.questions import pair_questions
from app.learning.generator import open_base
from app.learning.runs import Material, open_material
from app.model_folders import tuned_folder, write_manifest
from app.models import ReleaseDamaged
from app.observability import configure_logging
from app.release_gate import DRAWN_BY, gate_release
from app.releases import create_release, promote
from app.settings import Settings, load_settings
from app.wiring import Services, build_services
from benchmarks.homes import copied_home
from benchmarks.tuning import report_nothing
from finetune.configuration import GeneratorConfig, OptimizerConfig, RetrieverConfig
from finetune.examples import Example
from finetune.retriever_tuning import RetrieverTask
from finetune.trainable_encoder import TrainableEncoder
from finetune.trainable_generator import AdapterShape, TrainableGenerator
from finetune.training import run_training
from generator.adapter_base import AdapterBase

SEEDS = range(5)
KINDS = ("better", "noisy", "half", "adapter", "stale")
ANSWERS = {"better": 60, "adapter": 32}  # as many as the command takes, and enough for citation recall
FEWER_ANSWERS = 12  # where the search decides: just enough for guards to have intervals
NOISE = 0.05  # standard deviation of a random adapter's weights


def main() -> None:
    """Print each candidate with the gate's decision, and how many were refused and passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--examples", type=int, help="most pairs that are tuned on; all if not given")
    parser.add_argument("--kind", nargs="+", choices=KINDS, default=KINDS, help="only candidates of these")
    given = parser.parse_args()
    configure_logging("error")
    with (
        copied_home(load_settings(), own_models=True, offline=True) as own,
        closing(build_services(own)) as services,
    ):
        bench = _Bench(services=services, settings=own, most_examples=given.examples, kinds=given.kind)
        rows = list(bench.run())
    print(
        json.dumps(
            {
                "better, passed": sum(passed for wanted, passed in rows if wanted),
                "worse, refused": sum(not passed for wanted, passed in rows if not wanted),
                "candidates": len(rows),
            }
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """One run, in a home of its own."""

    services: Services
    settings: Settings
    most_examples: int | None
    kinds: Sequence[str]

    def run(self) -> Iterator[tuple[bool, bool]]:
        """For each candidate whether it is better, and whether it passed."""
        with open_material(self.services, [], report_nothing) as material:
            for seed in SEEDS:
                if seed == 0 or "better" in self.kinds:
                    self._tune(material, f"good-{seed}", seed=seed)
                if "noisy" in self.kinds:
                    self._tune(material, f"noisy-{seed}", seed=seed, noisy=True)
                if "half" in self.kinds:
                    self._tune(material, f"half-{seed}", seed=0, steps=seed + 1)
        if "better" in self.kinds:
            for seed in SEEDS:
                yield True, self._ask("better", f"seed {seed}", partial(self._encoder, f"run:good-{seed}"))
        if set(self.kinds) - {"better"}:
            yield from self._worse(self._encoder("run:good-0"))

    def _worse(self, best: Settings) -> Iterator[tuple[bool, bool]]:
        """All that is asked beside the best encoder, once that is live."""
        live = create_release(self.services, best, note="live", progress=report_nothing)
        promote(self.services, live.id, reason="live", forced=True, progress=report_nothing)
        self.services.serving.follow()
        for kind in sorted({"noisy", "half"} & set(self.kinds)):
            for seed in SEEDS:
                yield False, self._ask(kind, str(seed), partial(self._encoder, f"run:{kind}-{seed}"))
        for name, make in self._adapters() if "adapter" in self.kinds else ():
            yield False, self._ask("adapter", name, partial(_with_generator, best, make))
        for number in SEEDS if "stale" in self.kinds else ():
            candidate = create_release(self.services, best, note="stale", progress=report_nothing)
            self._add_document(number)
            yield False, self._gate("stale", str(number), candidate.id)

    def _encoder(self, reference: str) -> Settings:
        return self.settings.model_copy(update={"encoder": reference})

    def _ask(self, kind: str, name: str, make: Callable[[], Settings]) -> bool:
        try:
            release = create_release(self.services, make(), note=name, progress=report_nothing)
        except (ReleaseDamaged, ModelUnavailable) as error:
            return _tell(f"{kind}, {name}", passed=False, reasons=[str(error)])
        return self._gate(kind, name, release.id)

    def _gate(self, kind: str, name: str, release_id: str) -> bool:
        services = self.services
        decision = gate_release(
            services,
            services,
            release_id,
            pair_questions(services.database, services.settings, "dev"),
            main=None,
            margin=0.0,
            answers=ANSWERS.get(kind, FEWER_ANSWERS),
            seed=DRAWN_BY,
            progress=report_nothing,
            say=lambda _text: None,
        )
        told = [check.reason for check in decision.checks if check.kind == "main" or check.doubtful]
        return _tell(f"{kind}, {name}", passed=decision.passed, reasons=[*decision.reasons] or told)

    def _tune(
        self, material: Material, name: str, *, seed: int, noisy: bool = False, steps: int | None = None
    ) -> None:
        """An encoder as `footnote tune retriever` makes it, without a mixture chosen."""
        train = _some(material.gathered.train, self.most_examples)
        train = _shuffled(train, seed) if noisy else train
        encoder = TrainableEncoder(material.base.folder, torch.device("cpu"))
        corpus = material.corpus.corpus
        task = RetrieverTask(encoder, corpus, train, [()] * len(train), RetrieverConfig(), seed=seed)
        optimizer = OptimizerConfig(seed=seed)
        work = self.settings.home / "work" / name
        run_training(task, optimizer, folder=work, key=name, report=report_nothing_of_steps, until=steps)
        folder = tuned_folder(self.settings.models_folder, name)
        folder.parent.mkdir(exist_ok=True)
        encoder.save(folder)
        write_manifest(folder, "benchmarks.gate")

    def _adapters(self) -> Iterator[tuple[str, Callable[[], str]]]:
        for seed in range(3):
            yield f"random weights {seed}", partial(self._adapter, f"random-{seed}", seed)
        yield "of another model", partial(self._adapter, "foreign", 3, fingerprint="0" * 16)
        yield "a byte changed", partial(self._adapter, "changed", 4, changed=True)

    def _adapter(self, name: str, seed: int, *, fingerprint: str | None = None, changed: bool = False) -> str:
        base, config = open_base(self.settings), GeneratorConfig()
        shape = AdapterShape(rank=config.rank, scale=config.scale, layers=config.layers)
        generator = TrainableGenerator(base.folder, torch.device("cpu"), shape, seed=seed)
        with torch.no_grad():
            for weights in generator.module.parameters():
                if weights.requires_grad:
                    weights.normal_(std=NOISE)
        folder = tuned_folder(self.settings.models_folder, name)
        generator.save(folder)
        AdapterBase(
            reference=base.record.reference, fingerprint=fingerprint or base.record.fingerprint
        ).write(folder)
        write_manifest(folder, "benchmarks.gate")
        if changed:
            file = folder / "adapter_model.safetensors"
            content = bytearray(file.read_bytes())
            content[-1] ^= 1
            file.write_bytes(content)
        return f"run:{name}"

    def _add_document(self, number: int) -> None:
        file = self.settings.home / f"note-{number}.md"
        file.write_text(f"# Note {number}\n\nThe cluster was renamed to lyra-{number} on a Monday.\n")
        ingest_files(self.services, [file], progress=report_nothing)


def _with_generator(settings: Settings, make: Callable[[], str]) -> Settings:
    return settings.model_copy(update={"generator": make()})


def report_nothing_of_steps(_done: int, _total: int, _loss: float) -> None:
    """Progress of a training that nobody watches."""


def _some(train: Sequence[Example], most: int | None) -> list[Example]:
    order = np.random.default_rng(DRAWN_BY).permutation(len(train))
    return [train[place] for place in order[:most]]


def _shuffled(train: Sequence[Example], seed: int) -> list[Example]:
    """Every question with the passages of another one."""
    order = np.random.default_rng(seed).permutation(len(train))
    others = np.roll(order, 1)
    return [replace(train[place], rows=train[other].rows) for place, other in zip(order, others, strict=True)]


def _tell(name: str, *, passed: bool, reasons: Sequence[str]) -> bool:
    print(f"{'passed ' if passed else 'refused'} {name}: {'; '.join(reasons)}", file=sys.stderr, flush=True)
    return passed


if __name__ == "__main__":
    main()
