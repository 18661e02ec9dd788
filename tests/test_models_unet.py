"""The U-Net, and the Dice loss that it may learn by."""

import pytest
import torch
from torch.nn import functional

from models.unet import UNet
from models.vision_losses import DiceLoss


@pytest.mark.parametrize("size", [(8, 8), (17, 31), (20, 9)])
def test_an_output_for_each_pixel_of_any_size(size: tuple[int, int]) -> None:
    model = UNet((1, *size), 5, width=4).eval()
    assert model(torch.rand(2, 1, *size)).shape == (2, 5, *size)


def test_it_is_exported_with_any_batch(tmp_path: object) -> None:
    model = UNet((3, 17, 22), 2, width=2, depth=2).eval()
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(
        model, (torch.rand(2, 3, 17, 22),), dynamic_shapes={"images": {0: batch}}
    )
    images = torch.rand(5, 3, 17, 22)
    assert torch.allclose(program.module()(images), model(images), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "options"),
    [((3, 7, 9), {}), ((3, 16, 16), {"width": 0}), ((3, 16, 16), {"depth": 0})],
)
def test_what_cannot_be(shape: tuple[int, int, int], options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="depth"):
        UNet(shape, 2, **options)


def masks() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    target = torch.randint(0, 3, (6, 8, 9))
    target[1] = -100
    target[2, :4] = -100
    return torch.randn(6, 3, 8, 9), target


def test_dice_is_what_its_formula_says() -> None:
    logits, target = masks()
    total, weight = DiceLoss(cross_entropy=2.0, smooth=0.5)(logits, target)
    expected = 0.0
    for image, mask in zip(logits, target, strict=True):
        labelled = mask != -100
        if not labelled.any():
            continue
        overlaps = []
        for label in range(3):
            truth = (mask == label)[labelled].float()
            found = image.softmax(0)[label][labelled]
            overlap = (2 * (truth * found).sum() + 0.5) / (truth.sum() + found.sum() + 0.5)
            overlaps += [overlap] if truth.any() else []
        entropy = functional.cross_entropy(image[None], mask[None])
        expected += 1 - float(torch.stack(overlaps).mean()) + 2 * float(entropy)
    assert weight == 5 and total.item() == pytest.approx(expected, rel=1e-5)


def test_dice_of_parts_is_that_of_the_whole_and_never_nan() -> None:
    logits, target = masks()
    loss = DiceLoss()
    whole = loss(logits, target)
    parts = [loss(logits[cut], target[cut]) for cut in (slice(0, 2), slice(2, 6))]
    assert torch.allclose(whole[0], parts[0][0] + parts[1][0])
    assert whole[1] == parts[0][1] + parts[1][1]
    logits.requires_grad_()
    ignored, weight = loss(logits, torch.full_like(target, -100))
    ignored.backward()
    assert ignored == 0 and weight == 0 and logits.grad is not None and (logits.grad == 0).all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(logits.bfloat16(), target)[0].dtype == torch.float32
    with pytest.raises(ValueError, match="0 or more"):
        DiceLoss(smooth=-1)


def test_dice_learns() -> None:
    logits, target = masks()
    perfect = functional.one_hot(target.clamp(min=0), 3).permute(0, 3, 1, 2) * 20.0
    total, weight = DiceLoss()(perfect, target)
    assert total / weight < 0.02 < DiceLoss()(logits, target)[0] / weight
