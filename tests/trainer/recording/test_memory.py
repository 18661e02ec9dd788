import torch

from trainer.recording.memory import memory_used


def test_the_process_holds_what_it_allocated() -> None:
    before = memory_used(torch.device("cpu"))
    held = torch.ones(16_000_000)
    after = memory_used(torch.device("cpu"))
    assert 50e6 < after - before < 100e6 + held.numel()
