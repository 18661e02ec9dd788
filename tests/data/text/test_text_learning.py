"""What the three kinds are for: small models learn small tasks, in seconds."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data.text.answers import TranslationAnswer
from data.text.labelled import text
from data.text.pairs import translation
from data.text.readers import TextReader, TranslationReader
from data.text.running import language
from models.text_losses import TokenCrossEntropy
from models.transformer import LanguageModel, Seq2Seq, TextClassifier
from trainer.evaluation.language import Language


def tensors(dataset: Any) -> tuple[Tensor, Tensor]:
    rows = np.arange(len(dataset))
    found: tuple[Tensor, Tensor] = dataset.finish(dataset.fetch(rows, 0, 0), rows, 0, 0)
    return found


def fit(model: nn.Module, dataset: Any, loss: Any, epochs: int, batch: int, rate: float) -> None:
    inputs, targets = tensors(dataset)
    steps = epochs * -(-len(inputs) // batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs)).split(batch):
            found = loss(model(inputs[rows]), targets[rows])
            (found[0] / found[1] if isinstance(found, tuple) else found).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    model.eval()


def node(arguments: Any) -> dict[str, Any]:
    return {key: value for key, value in arguments.items() if key != "_target_"}


def test_a_sentiment_is_learnt(tmp_path: Path) -> None:
    good, bad = ["great", "lovely", "superb"], ["awful", "boring", "weak"]
    rows = [
        (f"the {thing} was {word} on day {day}", label)
        for words, label in ((good, "pos"), (bad, "neg"))
        for word in words
        for thing in ("film", "meal", "song", "book")
        for day in range(10)
    ]
    with (tmp_path / "r.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("review", "liked"), *rows])
    splits = text(tmp_path / "r.csv")
    info = splits.info
    model = TextClassifier(info.vocabulary, info.length, info.num_outputs, width=32, depth=1)
    fit(model, splits.train, nn.CrossEntropyLoss(), epochs=6, batch=16, rate=0.01)
    inputs, labels = tensors(splits.test)
    assert float((model(inputs).argmax(1) == labels).float().mean()) >= 0.9
    reader = TextReader(**node(info.reader))
    ids = torch.from_numpy(reader.batch([reader.read("a superb hotel"), reader.read("so weak")]))
    assert [info.classes[n] for n in model(ids).argmax(1).tolist()] == ["pos", "neg"]


def test_a_language_model_is_far_better_than_the_frequencies_of_tokens(tmp_path: Path) -> None:
    lines = [f"step {n}: the pump {n % 3} runs at level {n % 9} now.\n" for n in range(900)]
    (tmp_path / "log.txt").write_text("".join(lines))
    splits = language(tmp_path / "log.txt", length=24, vocabulary=300)
    info = splits.info
    model = LanguageModel(info.vocabulary, info.length, width=32, depth=1)
    loss = TokenCrossEntropy()
    fit(model, splits.train, loss, epochs=4, batch=16, rate=0.01)
    inputs, targets = tensors(splits.test)
    measured = Language().start(info, "cpu")
    with torch.no_grad():
        outputs = model(inputs)
    measured.update(outputs, targets, *loss(outputs, targets))
    seen = tensors(splits.train)[1]
    counts = torch.bincount(seen[seen >= 0], minlength=info.vocabulary).double() + 1
    unigram = (counts / counts.sum()).log()[targets[targets >= 0]].mean().neg().exp()
    assert measured.values()["perplexity"] < 0.2 * float(unigram)


def test_a_translation_is_learnt_and_decoded(tmp_path: Path) -> None:
    words = ["nil", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    numbers = [f"{number:03}" for number in range(0, 1000, 2)]
    lines = [f"{' '.join(n)}\t{' '.join(words[int(d)] for d in n[::-1])}\n" for n in numbers]
    (tmp_path / "n.tsv").write_text("".join(lines))
    splits = translation(tmp_path / "n.tsv")
    info = splits.info
    model = Seq2Seq(
        info.vocabulary, info.source_length, info.target_length, width=32, depth=1, dropout=0.0
    )
    fit(model, splits.train, TokenCrossEntropy(), epochs=12, batch=16, rate=0.01)
    reader = TranslationReader(**node(info.reader))
    answer = TranslationAnswer(**node(info.answer))
    asked = [splits.test.sample_text(i).split(" -> ") for i in range(20)]
    batch = reader.batch([reader.read(source) for source, _ in asked])
    with torch.no_grad():
        rows = answer.respond(lambda ids: model(torch.from_numpy(ids)).numpy(), batch, 1)
        right = [row["text"] == wanted for row, (_, wanted) in zip(rows, asked, strict=True)]
    assert np.mean(right) == pytest.approx(1.0, abs=0.15)
