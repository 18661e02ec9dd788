"""It learns: tones, chirps and noise in files of several rates and kinds are told apart."""

from pathlib import Path

import numpy as np
import torch
from sound_files import KINDS, sound, write
from torch.nn.functional import cross_entropy

from data.audio.augment import RandomSound
from data.audio.recordings import audio
from data.loading.loaders import loader
from models.audio import AudioNet


def mixed(place: Path) -> Path:
    generator = np.random.default_rng(0)
    for kind in KINDS:
        for number in range(20):
            rate = (8000, 16000, 44100, 22050)[number % 4]
            values = sound(kind, rate, 0.5, generator)
            if number % 5 == 0:
                values = np.stack([values, values / 2], 1)
            ending = ("wav", "flac", "ogg", "wav")[number % 4]
            write(place / kind / f"{number}.{ending}", values, rate)
    return place


def test_it_learns_from_files_of_several_kinds(tmp_path: Path) -> None:
    splits = audio(mixed(tmp_path / "my tones"), sample_rate=8000, augment=RandomSound(gain=6))
    masks = {"time": 0.1, "freq": 0.1}
    model = AudioNet(splits.info.num_outputs, splits.info.sample_rate, spec_augment=masks, width=8)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    train = loader(splits.train, batch_size=8, shuffle=True, seed=0, device="cpu")
    test = loader(splits.test, batch_size=12, shuffle=False, seed=0, device="cpu")
    (inputs, target), *_ = test.epoch(0)

    def accuracy() -> float:
        model.eval()
        with torch.no_grad():
            return float((model(inputs).argmax(1) == target).float().mean())

    assert accuracy() < 0.7
    for epoch in range(6):
        model.train()
        for waves, labels in train.epoch(epoch):
            optimizer.zero_grad()
            cross_entropy(model(waves), labels).backward()
            optimizer.step()
    assert accuracy() >= 0.95
