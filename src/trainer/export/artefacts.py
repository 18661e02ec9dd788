"""The export stage: convert, prove, and only then put into place."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from trainer.batches import batches
from trainer.errors import Refused
from trainer.export.formats import FILES, Format, NotPossible
from trainer.options import Count, Form, NotNegative, Range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.export.fresh import Fresh
    from trainer.export.proof import Case
    from trainer.export.subject import Subject
    from trainer.recording import Console
    from trainer.trained import Trained

LOOKED_AT = 4  # batches that tell which dimensions vary
Label = Annotated[str, Form(r"[A-Za-z_]\w*", "a name of letters, digits and _")]


@dataclass
class Outcome:
    """What came of an export, before it is put into place."""

    content: dict[str, Any]  # of the manifest
    impossible: dict[str, str]  # by form: why it can't be converted
    cases: list[Case] = field(default_factory=list)

    @property
    def refused(self) -> dict[str, str]:
        """By form: why the artefact doesn't hold."""
        return {case.form: case.refusal for case in self.cases if case.refusal is not None}


class Artefacts:
    """Writes artefacts of a trained model into its `export/`, each proven in a fresh process.

    `formats` maps a name to a format, such as `trainer.export.onnx.Onnx`. An artefact stands where
    no output differs from the model's by more than `atol`, or by `rtol` of the largest output, over
    batches of `sizes`, a full one, and the test split (of more than `samples`: each second, third
    ... batch); where its metrics are the model's; and where the reader, and `predict.py`, give what
    was evaluated. `latency` are the batch sizes that are timed. `dynamic` names dimensions that may
    vary beside the batch, {input: {1: name}}; those in which the data's batches differ do anyway.
    Raises Refused for formats that don't go together.
    """

    def __init__(
        self,
        formats: Mapping[str, Format],
        atol: NotNegative = 1e-5,
        rtol: NotNegative = 1e-5,
        sizes: Sequence[Count] = (1, 2, 7),
        samples: Count = 10_000,
        latency: Sequence[Count] = (1, 32),
        dynamic: Mapping[str, Mapping[Annotated[int, Range(ge=1)], Label]] | None = None,
    ) -> None:
        self.formats = {each.form: each for each in formats.values()}
        if not formats or len(self.formats) < len(formats):
            told = "has one form twice; leave one out" if formats else "is empty; choose some"
            raise Refused(f"export.formats {told}, or write export=none")
        self.atol, self.rtol = atol, rtol
        self.sizes, self.samples, self.latency = tuple(sizes), samples, tuple(latency)
        self.dynamic = dynamic

    def write(self, trained: Trained, folder: Path, console: Console) -> None:
        """Write the artefacts and `manifest.json`; `trained` has its data with it.

        What can't be converted is warned of, and noted under `failed`. An artefact that doesn't
        hold leaves nothing behind, and raises Failed once all are done. Raises CannotWrite.
        """
        from trainer.export.contents import summary
        from trainer.export.placing import Placing
        from trainer.export.proof import failed

        begin = time.monotonic()
        with Placing(folder) as placing:
            outcome = self.make(trained, placing.building)
            placing.place(outcome.content, outcome.impossible | outcome.refused, list(self.formats))
        for why in dict.fromkeys(outcome.impossible.values()):
            forms = [form for form, each in outcome.impossible.items() if each == why]
            console.warn(f"not exported as {' or '.join(forms)}: {why}")
        if told := list(map(summary, outcome.content["artefacts"].values())):
            console.say(f"Exported in {time.monotonic() - begin:.1f} s: {', '.join(told)}.")
        if outcome.refused:
            raise failed(outcome.refused)

    def make(self, trained: Trained, building: Path) -> Outcome:
        """Convert and prove; the files of what holds are in `building`, and no others."""
        import torch

        from trainer.export.contents import described
        from trainer.export.fresh import Fresh
        from trainer.export.proof import split_of
        from trainer.export.subject import Subject

        with ExitStack() as stack:
            # Started at once: they import what they need while the model is being converted.
            threads = torch.get_num_threads()
            processes = {form: stack.enter_context(Fresh(form, threads)) for form in self.formats}
            try:
                _, loader = split_of(trained, ("validation", "test", "train"))
                looked_at = list(islice(batches(loader), LOOKED_AT))
                subject = Subject(trained, looked_at, self.dynamic)
            except NotPossible as error:
                why = dict.fromkeys(self.formats, str(error))
                return Outcome(described(trained, None), why)
            outcome = Outcome(described(trained, subject), {})
            told = self.convert(subject, building, processes, outcome)
            if outcome.cases:
                self.prove(trained, subject, building, outcome, told)
            return outcome

    def convert(
        self,
        subject: Subject,
        building: Path,
        processes: Mapping[str, Fresh],
        outcome: Outcome,
    ) -> dict[str, dict[str, Any]]:
        """Write each form and load it again; returns what the forms say of their files."""
        from trainer.export.fresh import Broken
        from trainer.export.parity import Parity
        from trainer.export.proof import Case

        told = {}
        for form, each in self.formats.items():
            try:
                told[form] = each.convert(subject, building)
            except NotPossible as error:
                outcome.impossible[form] = str(error)
                continue
            parity = Parity(self.atol, self.rtol, decides=subject.decides)
            case = Case(form, processes[form], parity)
            outcome.cases.append(case)
            try:
                seconds = case.process.open(building, subject.names)
                told[form]["load_seconds"] = round(seconds, 4)
            except Broken as error:
                case.refuse(f"it can't be loaded: {error}")
        return told

    def prove(
        self,
        trained: Trained,
        subject: Subject,
        building: Path,
        outcome: Outcome,
        told: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Hold every artefact against the model; the manifest's content gets those that stand."""
        from trainer.export import metrics, preprocessing, proof
        from trainer.export.contents import entry_of

        cases, content = outcome.cases, outcome.content
        batch = subject.batches[0]
        full = subject.number(batch)
        proof.compare_sizes(cases, subject, batch, sorted({*self.sizes, full}))
        if self.dynamic:
            proof.compare_shapes(cases, subject, batch)
        split, loader = proof.split_of(trained, ("test", "validation", "train"))
        content["metrics"] = metrics.measure(cases, subject, trained, split, loader, self.samples)
        proof.conclude(cases)
        samples = preprocessing.samples_of(trained)
        if samples and (problem := preprocessing.reader_problem(trained, subject, samples)):
            proof.refuse_all(cases, problem)
        for case in cases:
            proof.measure_latency(case, subject, batch, self.latency)
            if case.refusal is None:
                found = {**case.figures(), **told[case.form]}
                content["artefacts"][case.form] = entry_of(building, FILES[case.form], found)
        for case in cases:
            if case.form == "onnx" and case.refusal is None and samples:
                bundle(trained, subject, building, content, case, samples)


def bundle(
    trained: Trained,
    subject: Subject,
    building: Path,
    content: dict[str, Any],
    case: Case,
    samples: Sequence[NDArray[Any]],
) -> None:
    """Write `predict.py` beside the ONNX file, and try the two of them, by themselves."""
    from trainer.export import preprocessing
    from trainer.export.manifest import write_manifest
    from trainer.export.reasons import told_by
    from trainer.storage.atomic import write_text

    if "external" in content["artefacts"]["onnx"] or not subject.decides:
        return  # it takes a model of one file, and says a class
    assert trained.reader is not None
    few = samples[: preprocessing.SHOWN]
    try:
        source, inputs = trained.reader.script(), trained.reader.batch(few)
    except Exception as error:  # a reader may be the user's own
        problem: str | None = f"the reader gives no {preprocessing.PREDICT}: {told_by(error)}"
    else:
        if source is None:
            return  # `fivestep predict` reads such inputs
        write_text(building / preprocessing.PREDICT, source)
        write_manifest(building, content)
        logits = subject.outputs(inputs)
        problem = preprocessing.bundle_problem(building, few, logits, case.parity.slack)
    if problem is not None:
        case.refuse(problem)
        del content["artefacts"]["onnx"]
