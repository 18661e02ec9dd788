"""Why a model can't be exported and what could be done, in one line, from what exporters raise."""

import re
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

OTHER = {
    "torch_export": "or choose another form (export=torchscript) or none (export=none)",
    "onnx": "or leave ONNX out (export=torch_export), or export nothing (export=none)",
    "torchscript": "or choose another form (export=torch_export) or none (export=none)",
}

EXPORTERS = {"torch", "onnxscript", "onnx", "onnxruntime", "onnx_ir"}


def reason(error: BaseException, form: str) -> str:
    """The line for an error that an exporter raised, with the place in the user's code."""
    texts = [str(each) for each in chain(error)]
    text = "\n".join(texts)
    where = place(error, text)
    if "data-dependent" in text or "DataDependent" in type(error).__name__:
        return (
            f"what the model does depends on values in the data{where}, and a graph has no Python "
            f"branches; write it with torch.where or torch.cond, {OTHER[form]}"
        )
    if fixed := re.search(r"(\w+) as dynamic but your code specialized it to be a constant", text):
        return (
            f"the model fixes the size of {fixed[1]}{where}; write sizes as x.shape[0] or -1, not "
            f"as numbers or len(x), and don't loop over it, {OTHER[form]}"
        )
    if "Constraints violated" in text:
        name = re.search(r"Constraints violated \((.+?)\)", text)
        wanted = re.search(r"Suggested fixes:\s*(.+)", text)
        return (
            f"the model limits the size of {name[1] if name else 'a dimension'}{where}"
            f"{f' ({wanted[1].strip()})' if wanted else ''}; take sizes from the input, leave that "
            f"dimension out of export.dynamic, {OTHER[form]}"
        )
    if missing := re.search(r"No ONNX function found for <OpOverload\(op='([\w.]+)'", text):
        return (
            f"ONNX has no operator for {missing[1]}{where}; use another operation in the model, "
            f"{OTHER[form]}"
        )
    if "FakeTensor" in text or "tensor subclasses" in text:
        return (
            f"the model needs the numbers themselves{where}, as numpy and packed sequences do, and "
            f"exporting has only shapes; use torch operations and masks, {OTHER[form]}"
        )
    return (
        f"the exporter gave up{where}: {told_by([*chain(error)][-1])}; change that, {OTHER[form]}"
    )


def told_by(error: BaseException) -> str:
    """The kind of an error and the first line of what it says."""
    lines = (plain(line) for line in str(error).splitlines())
    told = next((line for line in lines if line), "")[:300]
    return f"{type(error).__name__}: {told}" if told else type(error).__name__


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was raised from."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def place(error: BaseException, text: str = "") -> str:
    """Where in the user's code (or in a model library) it happened: ` (net.py:12: if x > 0:)`."""
    for link in chain(error):
        frames = traceback.extract_tb(link.__traceback__)
        # Whoever called us is no part of it: only what was called below our own last frame.
        ours = [number for number, frame in enumerate(frames) if is_ours(frame.filename)]
        for frame in reversed(frames[max(ours, default=-1) + 1 :]):
            if is_model(frame.filename):
                line = f": {plain(frame.line)[:80]}" if frame.line else ""
                return f" ({Path(frame.filename).name}:{frame.lineno}{line})"
    # The ONNX exporter keeps the place of each operation as text.
    for file, number in reversed(re.findall(r'File "?([^"\n,]+\.py)"?(?:, line |:)(\d+)', text)):
        if is_model(file):
            return f" ({Path(file).name}:{number})"
    return ""


def is_model(filename: str) -> bool:
    """Whether a file may be that of a model: neither Python's, nor torch's, nor an exporter's."""
    file = Path(filename)
    if file.suffix != ".py" or is_ours(filename):
        return False
    # Packages may be installed below the standard library.
    if "site-packages" not in file.parts:
        return not file.is_relative_to(sysconfig.get_path("stdlib"))
    return not EXPORTERS & set(file.parts)


def is_ours(filename: str) -> bool:
    """Whether a file belongs to the package `trainer`."""
    return Path(filename).is_relative_to(Path(__file__).resolve().parents[1])


def plain(text: str) -> str:
    """Without colours and control characters, in one line."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())
