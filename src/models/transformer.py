"""Transformers for text: a classifier, a language model, and a translator.

Blocks are those of Vaswani et al., "Attention Is All You Need" (2017), with the normalisation
before each part (Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020).
Token 0 is padding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

PAD = 0


class Attention(nn.Module):
    """Scaled dot-product attention with several heads.

    Args:
        width: features of a token.
        heads: parts that they are divided into.
        dropout: share of attention weights dropped in training.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor, others: Tensor, seen: Tensor | None, causal: bool) -> Tensor:
        """Gather from others [B, M, width] for tokens [B, L, width].

        `seen` is bool [B, 1, 1, M], False where nothing may be gathered; with `causal` a token sees
        itself and those before it.
        """
        key, value = self.key_value(others).chunk(2, dim=-1)
        found = functional.scaled_dot_product_attention(
            self._split(self.query(tokens)),
            self._split(key),
            self._split(value),
            attn_mask=seen,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=causal,
        )
        together: Tensor = self.output(found.transpose(1, 2).flatten(2))
        return together

    def _split(self, features: Tensor) -> Tensor:
        parts: Tensor = features.unflatten(-1, (self.heads, -1))
        return parts.transpose(1, 2)


class Block(nn.Module):
    """Attention to itself, attention to a source where there is one, and two linear layers."""

    def __init__(
        self, width: int, heads: int, dropout: float, *, causal: bool, crossed: bool = False
    ) -> None:
        super().__init__()
        self.causal = causal
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.cross_norm = nn.LayerNorm(width) if crossed else None
        self.cross = Attention(width, heads, dropout) if crossed else None
        self.last_norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(
        self,
        tokens: Tensor,
        seen: Tensor | None = None,
        source: Tensor | None = None,
        source_seen: Tensor | None = None,
    ) -> Tensor:
        """Features [B, L, width] of tokens [B, L, width]."""
        normed = self.norm(tokens)
        tokens = tokens + self.drop(self.attention(normed, normed, seen, self.causal))
        if self.cross is not None and self.cross_norm is not None and source is not None:
            gathered = self.cross(self.cross_norm(tokens), source, source_seen, False)
            tokens = tokens + self.drop(gathered)
        result: Tensor = tokens + self.drop(self.layers(self.last_norm(tokens)))
        return result


class Embedding(nn.Module):
    """Tokens and their places as features."""

    def __init__(self, vocabulary: int, length: int, width: int, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.empty(length, width))
        self.drop = nn.Dropout(dropout)
        # Much smaller ones drown in what the blocks add, and places are learnt late.
        for weight in (self.tokens.weight, self.places):
            nn.init.normal_(weight, std=width**-0.5)

    def forward(self, ids: Tensor) -> Tensor:
        """Features [B, L, width] of ids [B, L]."""
        features: Tensor = self.drop(self.tokens(ids) + self.places)
        return features


class TextClassifier(nn.Module):
    """An encoder whose features, averaged over the tokens of a text, give its outputs.

    Input: int64 [B, length], 0 where the text has ended; output: float [B, num_outputs].

    Args:
        vocabulary: different tokens.
        length: tokens of an input.
        num_outputs: classes, labels or quantities.
        width: features of a token.
        depth: number of blocks.
        heads: parts of `width` that attend by themselves.
        dropout: share of features dropped in training.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        num_outputs: int,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        refuse_unfit(width, depth, heads, dropout)
        self.embedding = Embedding(vocabulary, length, width, dropout)
        self.blocks = nn.ModuleList(
            Block(width, heads, dropout, causal=False) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_outputs)

    def forward(self, texts: Tensor) -> Tensor:
        """Outputs [B, num_outputs] of a batch of texts."""
        features = self.embedding(texts)
        seen = visible(texts)
        for block in self.blocks:
            features = block(features, seen)
        counted = texts.ne(PAD).unsqueeze(-1).to(features.dtype)
        # Of an empty text the mean is 0, where 0 / 0 would be NaN.
        mean = (self.norm(features) * counted).sum(1) / counted.sum(1).clamp(min=1.0)
        outputs: Tensor = self.head(mean)
        return outputs


class LanguageModel(nn.Module):
    """For each token of a text, what the next one may be.

    Input: int64 [B, length]; output: logits [B, length, vocabulary], of which those at place i
    depend on the tokens up to i alone.

    Args:
        vocabulary: different tokens.
        length: tokens of an input.
        width: features of a token.
        depth: number of blocks.
        heads: parts of `width` that attend by themselves.
        dropout: share of features dropped in training.
        tied: let the last layer have the weights of the embedding (Press and Wolf, 2017).
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        tied: bool = True,
    ) -> None:
        super().__init__()
        refuse_unfit(width, depth, heads, dropout)
        self.embedding = Embedding(vocabulary, length, width, dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout, causal=True) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = head_of(self.embedding, tied)

    def forward(self, texts: Tensor) -> Tensor:
        """Logits [B, length, vocabulary] of a batch."""
        features = self.embedding(texts)
        for block in self.blocks:
            features = block(features)
        logits: Tensor = self.head(self.norm(features))
        return logits


class Seq2Seq(nn.Module):
    """An encoder and a decoder: for each token of a translation, what the next one may be.

    Input: int64 [B, source_length + target_length], a source and the beginning of its translation,
    each filled up with 0; output: logits [B, target_length, vocabulary].

    Args:
        vocabulary: different tokens, of both languages together.
        source_length: tokens of a source.
        target_length: tokens of a translation.
        width: features of a token.
        depth: number of blocks of the encoder, and of the decoder.
        heads: parts of `width` that attend by themselves.
        dropout: share of features dropped in training.
        tied: let the last layer have the weights of the decoder's embedding.
    """

    def __init__(
        self,
        vocabulary: int,
        source_length: int,
        target_length: int,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        tied: bool = True,
    ) -> None:
        super().__init__()
        refuse_unfit(width, depth, heads, dropout)
        self.source_length = source_length
        self.source = Embedding(vocabulary, source_length, width, dropout)
        self.target = Embedding(vocabulary, target_length, width, dropout)
        self.encoder = nn.ModuleList(
            Block(width, heads, dropout, causal=False) for _ in range(depth)
        )
        self.decoder = nn.ModuleList(
            Block(width, heads, dropout, causal=True, crossed=True) for _ in range(depth)
        )
        self.source_norm = nn.LayerNorm(width)
        self.norm = nn.LayerNorm(width)
        self.head = head_of(self.target, tied)

    def forward(self, pairs: Tensor) -> Tensor:
        """Logits [B, target_length, vocabulary] of a batch."""
        sources, targets = pairs[:, : self.source_length], pairs[:, self.source_length :]
        seen = visible(sources)
        features = self.source(sources)
        for block in self.encoder:
            features = block(features, seen)
        features = self.source_norm(features)
        tokens = self.target(targets)
        for block in self.decoder:
            tokens = block(tokens, None, features, seen)
        logits: Tensor = self.head(self.norm(tokens))
        return logits


def visible(ids: Tensor) -> Tensor:
    """Which tokens may be attended to, bool [B, 1, 1, L] of ids [B, L].

    Padding may not, save at the first place: over nothing at all a softmax is NaN.
    """
    first = torch.arange(ids.shape[1], device=ids.device) == 0
    return (ids.ne(PAD) | first)[:, None, None, :]


def head_of(embedding: Embedding, tied: bool) -> nn.Linear:
    """The layer from features to tokens."""
    vocabulary, width = embedding.tokens.weight.shape
    head = nn.Linear(width, vocabulary, bias=False)
    if tied:
        head.weight = embedding.tokens.weight
    return head


def refuse_unfit(width: int, depth: int, heads: int, dropout: float) -> None:
    """Raise ValueError for sizes that don't make a transformer."""
    if min(width, depth, heads) < 1 or width % heads:
        raise ValueError(
            f"width, depth and heads are {width}, {depth}, {heads}; they have to be 1 or more, and "
            "width a multiple of heads"
        )
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; it has to be a share from 0 up to below 1")
