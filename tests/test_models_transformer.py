"""The transformers: against torch's own layer, blind to what they may not see, exportable."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.text_losses import TokenCrossEntropy
from models.transformer import Block, LanguageModel, Seq2Seq, TextClassifier

V, L = 20, 6


def classifier(**more: Any) -> TextClassifier:
    return TextClassifier(V, L, 3, width=8, depth=2, heads=2, **more).eval()


def language_model(tied: bool = True) -> LanguageModel:
    return LanguageModel(V, L, width=8, depth=2, heads=2, tied=tied).eval()


def seq2seq() -> Seq2Seq:
    return Seq2Seq(V, 4, L, width=8, depth=2, heads=2).eval()


def ids(*shape: int) -> Tensor:
    return torch.randint(4, V, shape)


def test_a_block_is_torchs_own_encoder_layer() -> None:
    own = Block(8, 2, 0.0, causal=False).eval()
    reference = nn.TransformerEncoderLayer(
        8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True
    ).eval()
    attention = own.attention
    with torch.no_grad():
        weight = torch.cat([attention.query.weight, attention.key_value.weight])
        reference.self_attn.in_proj_weight.copy_(weight)
        bias = torch.cat([attention.query.bias, attention.key_value.bias])
        reference.self_attn.in_proj_bias.copy_(bias)
    reference.self_attn.out_proj.load_state_dict(attention.output.state_dict())
    first, last = own.layers[0], own.layers[2]
    for module, state in (
        (reference.linear1, first),
        (reference.linear2, last),
        (reference.norm1, own.norm),
        (reference.norm2, own.last_norm),
    ):
        module.load_state_dict(state.state_dict())
    tokens, hidden = torch.randn(3, 5, 8), torch.zeros(3, 5, dtype=torch.bool)
    hidden[1, 3:] = True
    found = own(tokens, ~hidden[:, None, None, :])
    wanted = reference(tokens, src_key_padding_mask=hidden)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_padding_changes_nothing_and_an_empty_text_is_finite() -> None:
    model = classifier()
    texts = ids(4, L)
    texts[:, 3:] = 0
    before = model(texts)
    with torch.no_grad():
        model.embedding.tokens.weight[0] += 7
        model.embedding.places[3:] += 7
    torch.testing.assert_close(model(texts), before)
    empty = torch.zeros(2, L, dtype=torch.int64)
    assert model(empty).isfinite().all() and torch.equal(*model(empty))
    model(torch.cat([texts, empty])).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_a_language_model_does_not_see_what_comes() -> None:
    model, texts = language_model(), ids(2, L)
    other = texts.clone()
    other[:, 4:] = ids(2, 2)
    torch.testing.assert_close(model(texts)[:, :4], model(other)[:, :4])
    assert not torch.allclose(model(texts)[:, 4:], model(other)[:, 4:])


def test_a_translator_sees_its_source_and_no_later_target() -> None:
    model, pairs = seq2seq(), ids(2, 4 + L)
    assert list(model(pairs).shape) == [2, L, V]
    later, source = pairs.clone(), pairs.clone()
    later[:, 4 + 3 :] = ids(2, 3)
    source[:, 0] = 5
    source[:, 1] = 6
    torch.testing.assert_close(model(pairs)[:, :3], model(later)[:, :3])
    assert not torch.allclose(model(pairs)[:, 0], model(source)[:, 0])
    pairs[:, 2:4] = 0
    before = model(pairs)
    with torch.no_grad():
        model.source.tokens.weight[0] += 7
    torch.testing.assert_close(model(pairs), before)
    assert model(torch.zeros(1, 4 + L, dtype=torch.int64)).isfinite().all()


def test_tied_weights_are_one_tensor() -> None:
    tied, free = language_model(), language_model(tied=False)
    assert tied.head.weight is tied.embedding.tokens.weight
    assert free.head.weight is not free.embedding.tokens.weight


def test_sizes_that_do_not_fit_are_told() -> None:
    with pytest.raises(ValueError, match="a multiple of heads"):
        TextClassifier(V, L, 2, width=10, heads=4)
    with pytest.raises(ValueError, match=r"dropout is 1.5"):
        LanguageModel(V, L, dropout=1.5)


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace.*:FutureWarning")
@pytest.mark.parametrize("make", [classifier, language_model, seq2seq])
def test_torch_export_and_trace_take_any_batch(make: Any) -> None:
    model = make()
    length = L if make is not seq2seq else L + 4
    example = ids(2, length)
    dynamic = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(model, (example,), dynamic_shapes=dynamic).module()
    traced = torch.jit.trace(model, example)
    for batch in (1, 5):
        texts = ids(batch, length)
        texts[0] = 0
        torch.testing.assert_close(program(texts), model(texts))
        torch.testing.assert_close(traced(texts), model(texts))


def test_the_loss_of_tokens_is_a_sum_and_its_weight() -> None:
    loss = TokenCrossEntropy(label_smoothing=0.1)
    outputs, target = torch.randn(4, L, V), ids(4, L)
    target[1:, 2:] = -100
    total, weight = loss(outputs, target)
    wanted = nn.CrossEntropyLoss(label_smoothing=0.1)(outputs.transpose(1, 2), target)
    torch.testing.assert_close(total / weight, wanted)
    parts = [loss(outputs[cut], target[cut]) for cut in (slice(0, 1), slice(1, 4))]
    joined = sum(part[0] for part in parts) / sum(part[1] for part in parts)
    torch.testing.assert_close(joined, wanted)
    assert float(weight) == int((target != -100).sum())
    with pytest.raises(ValueError, match="label_smoothing"):
        TokenCrossEntropy(label_smoothing=1.0)


def test_where_no_token_counts_the_loss_is_nothing() -> None:
    outputs = torch.randn(2, L, V, requires_grad=True)
    total, weight = TokenCrossEntropy()(outputs, torch.full((2, L), -100))
    (total / weight).backward()
    assert float((total / weight).detach()) == 0
    assert outputs.grad is not None and not outputs.grad.any()


def test_learning_beats_chance_in_seconds() -> None:
    generator = np.random.default_rng(0)
    texts = torch.from_numpy(generator.integers(6, V, (240, L)))
    labels = torch.from_numpy(generator.integers(0, 2, 240))
    rows = torch.arange(240)
    texts[rows, torch.from_numpy(generator.integers(0, L, 240))] = 4 + labels
    model = TextClassifier(V, L, 2, width=16, depth=1, heads=2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(12):
        for batch in rows[:200].split(20):
            nn.functional.cross_entropy(model(texts[batch]), labels[batch]).backward()
            optimizer.step()
            optimizer.zero_grad()
    found = model.eval()(texts[200:]).argmax(1)
    assert float((found == labels[200:]).float().mean()) >= 0.9
