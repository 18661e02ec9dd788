"""Which parameters an optimizer moves, and with which options: freezing and groups by pattern."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from trainer.errors import Refused


def groups(
    module: nn.Module,
    *,
    lr: float | None = None,
    freeze: Sequence[str] = (),
    rules: Sequence[Mapping[str, Any]] = (),
    decay_vectors: bool = False,
) -> list[dict[str, Any]]:
    """Parameter groups for a torch optimizer, in the order of `named_parameters`.

    Patterns are those of file names (`features.*`, `*.bias`) and match whole parameter names.
    `freeze` switches gradients off. Each of `rules` has `match` and options of the optimizer
    (`lr`, `weight_decay`, ...), or `lr_scale` as a factor on `lr`; the first match wins.
    Without `decay_vectors`, parameters with fewer than two dimensions (biases, norms) get
    weight_decay 0. Raises Refused for a pattern that matches nothing, or when nothing is left.
    """
    names = [name for name, _ in module.named_parameters()]
    if lazy := [name for name, p in module.named_parameters() if nn.parameter.is_lazy(p)]:
        raise Refused(
            f"the model has parameters without a shape ({', '.join(lazy[:3])}); give the sizes in "
            "its constructor, or send one batch through it there"
        )
    unused = [
        f"parameters: the pattern {pattern!r} matches none of the {len(names)} parameters, "
        f"such as {', '.join(names[:3])}; patterns match whole names: 'features.*'"
        for pattern in [*freeze, *(pattern for rule in rules for pattern in patterns_of(rule))]
        if not any(fnmatchcase(name, pattern) for name in names)
    ]
    if unused:
        raise Refused(*unused)
    found: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if matches(name, freeze):
            parameter.requires_grad_(False)
        if not parameter.requires_grad:
            continue
        rule = next((i for i, r in enumerate(rules) if matches(name, patterns_of(r))), -1)
        decays = decay_vectors or parameter.dim() >= 2
        found.setdefault((rule, decays), []).append(parameter)
    if not found:
        if freeze:
            raise Refused("parameters.freeze leaves nothing to train; freeze fewer patterns")
        what = "only frozen parameters (requires_grad=False)" if names else "no parameters"
        raise Refused(f"the model has {what}: nothing to train; choose another model")
    result = []
    for (rule, decays), members in found.items():
        options = options_of(rules[rule], lr) if rule >= 0 else {}
        if not decays:
            options = {"weight_decay": 0.0} | options
        result.append({"params": members, **options})
    return result


def patterns_of(rule: Mapping[str, Any]) -> list[str]:
    """The one pattern of a rule, or its several."""
    match = rule["match"]
    return [match] if isinstance(match, str) else list(match)


def options_of(rule: Mapping[str, Any], lr: float | None) -> dict[str, Any]:
    """The optimizer's options in a rule, its factor turned into a rate."""
    options = {name: value for name, value in rule.items() if name not in ("match", "lr_scale")}
    if "lr_scale" in rule:
        if lr is None:
            raise Refused("parameters.groups has lr_scale, but the optimizer names no lr; use lr")
        options["lr"] = lr * rule["lr_scale"]
    return options


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name fits one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
