"""What the data says of itself, and what follows from it where a user's own data says less."""

from typing import Any

# What makes probabilities of a model's outputs; None where they are none.
ACTIVATIONS = {
    "classification": "softmax",
    "multilabel": "sigmoid",
    "segmentation": "softmax",
    "language": "softmax",
    "translation": "softmax",
}


def problem_of(info: Any) -> str:
    """What there is to learn, such as "regression"; classification where nothing is said."""
    return str(getattr(info, "problem", None) or "classification")


def answer_node(info: Any) -> dict[str, Any]:
    """The node of what says what a model's outputs mean."""
    if node := getattr(info, "answer", None):
        return dict(node)
    if problem_of(info) == "regression":
        names = [str(name) for name in getattr(info, "targets", ())]
        mean, std = (getattr(info, key, ()) for key in ("target_mean", "target_std"))
        scale = {"mean": list(mean or [0.0] * len(names)), "std": list(std or [1.0] * len(names))}
        return {"_target_": "data.answers.NumbersAnswer", "targets": names, **scale}
    kind = "Labels" if problem_of(info) == "multilabel" else "Class"
    names = [str(name) for name in getattr(info, "classes", ())]
    return {"_target_": f"data.answers.{kind}Answer", "classes": names}


def about(info: Any) -> str:
    """One phrase on what a sample is: "1x8x8, 10 classes"."""
    if told := getattr(info, "about", ""):
        return str(told)
    shape = "x".join(str(size) for size in getattr(info, "input_shape", ()))
    found = [shape] if shape else []
    if classes := getattr(info, "num_classes", 0):
        found.append(f"{classes} classes")
    if targets := getattr(info, "targets", ()):
        found.append(f"to predict {', '.join(map(str, targets[:3]))}")
    return ", ".join(found)


def derived(info: Any) -> dict[str, Any]:
    """Facts that configs refer to, and that a user's own data needn't spell out."""
    targets = getattr(info, "targets", ())
    return {
        "problem": problem_of(info),
        "num_outputs": getattr(info, "num_classes", 0) or len(targets),
    }


DERIVED = ("problem", "num_outputs")
