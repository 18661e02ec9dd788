from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.config.catalogue import groups, sources
from trainer.config.compose import raw
from trainer.config.loading import load
from trainer.config.overrides import Known, Override, judge_choice, judge_value, parse


@cache
def known() -> Known:
    choice = Override("model=cnn", "model", "cnn", "change")
    return Known(raw(load([choice], sources()).config), groups(), sources())


def told(text: str) -> list[str]:
    override = parse(text, known().groups)
    if isinstance(override, str):
        return [override]
    judge = judge_choice if override.key in known().groups else judge_value
    if isinstance(override.value, dict):
        judge = judge_value
    return judge(override, known())


@pytest.mark.parametrize(
    ("override", "words"),
    [
        # names
        ("modle=cnn", "did you mean model=cnn?"),
        ("net=cnn", "did you mean model=cnn?"),
        ("model=nope", "choices: audio_cnn, auto, cnn,"),
        ("model=cnnn", "did you mean model=cnn?"),
        ("model=null", "a run needs its model"),
        ("trainer.lrr=1", "did you mean optimizer.lr=1?"),
        ("trainer.epoch=1", "did you mean trainer.epochs=1"),
        ("trianer.epochs=1", "did you mean trainer.epochs=1"),
        ("lr=0.1", "did you mean optimizer.lr=0.1?"),
        ("+typo=1", "+typo: there is no such key"),
        ("+sed=1", "did you mean seed=1"),
        ("typo=1", "there is no such key"),
        ("+trainer.foo=1", "trainer has device, precision"),
        ("+run.nam=x", "did you mean run.name=x?"),
        ("+seed.x=1", "there is no such key"),
        ("optimizer.momentum=0.9", "argument of torch.optim.AdamW, write +optimizer.momentum=0.9"),
        ("optimizer.momentum=0.9", "not listed in optimizer"),
        ("optimizer.lrr=1", "did you mean optimizer.lr=1?"),
        ("trainer/fast=x", "did you mean trainer="),
        # what can't be removed, added or moved
        ("~export", "write export=none"),
        ("~model", "choose another"),
        ("~seed", "a run needs seed"),
        ("~trainer.epochs", "write trainer.epochs=null"),
        ("~trainer.lrr", "there is no such key"),
        ("+model=cnn", "write model=cnn"),
        ("+trainer.epochs=1", "write trainer.epochs=1 without the +"),
        ("model@net=cnn", "can't be put elsewhere"),
        ("hydra.run.dir=x", "run.dir names the run's folder"),
        # grammar
        ("cnn", "did you mean model=cnn?"),
        ("model", "one of audio_cnn, auto, cnn,"),
        ("clip", "not an override; write key=value"),
        ("=3", "write key=value"),
        ("a b=3", "'a b' is no name of a key"),
        ("trainer.epochs=[1", "can't be read"),
        ("model.width=a(b", "in quotes"),
        ("optimizer.lr=1,2", "one run takes one"),
        ("optimizer.lr=range(1,3)", "one run takes one"),
        # types and ranges
        ("optimizer.lr=-1", "a number, more than 0"),
        ("optimizer.lr=nan", "a number, more than 0"),
        ("optimizer.lr='1e-3'", "remove the quotes"),
        ("optimizer.lr=null", "optimizer.lr is null"),
        ("++optimizer.lr=-1", "a number, more than 0"),
        ("optimizer={lr: -1}", "a number, more than 0"),
        ("optimizer={foo: 1}", "optimizer.foo is not listed"),
        ("optimizer.weight_decay=-1", "a number, 0 or more"),
        ("optimizer.betas=[0.9,2]", "optimizer.betas[1] is 2"),
        ("loader.batch_size=0", "a whole number, 1 or more"),
        ("loader.batch_size=1.5", "a whole number, 1 or more"),
        ("loader.num_workers=-1", "0 or more"),
        ("trainer.epochs=abc", "a whole number, 1 or more, or null"),
        ("trainer.epochs=true", "a whole number, 1 or more, or null"),
        ("trainer.precision=fp8", "fp32, bf16, fp16 or auto"),
        ("trainer.precision=bf17", "did you mean bf16?"),
        ("seed=-1", "0 or more"),
        ("seed=1.5", "a whole number"),
        ("data.split_seed=-1", "0 or more"),
        ("model.dropout=1.5", "less than 1"),
        ("model.width=abc", "a number like 32 in the file; if that is meant, write ++model.width"),
        ("trainer.compile=maybe", "true, false or auto"),
        ("trainer.deterministic=1", "true or false"),
        ("scheduler.schedule=5", "it has keys of its own"),
        ("parameters.freeze=features.*", "write [features.*]"),
    ],
)
def test_one_mistake_is_one_line(override: str, words: str) -> None:
    found = told(override)
    assert len(found) == 1, found
    assert words in found[0] and "\n" not in found[0]


@given(st.text(max_size=20))
def test_any_text_is_read_or_told_in_one_line(text: str) -> None:
    override = parse(text, known().groups)
    if isinstance(override, str):
        assert override and "\n" not in override.replace(repr(text)[1:-1], "")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), min_size=1))
def test_a_path_is_read_as_it_is(path: str) -> None:
    if path.startswith(("'", '"', "${")) or path == "null":
        return
    override = parse(f"data.path={path}", {})
    assert isinstance(override, Override), override
    assert override.value == path
