"""The default run of `train`, without a config: the same numbers, the same weights."""

from functools import partial

from torch.nn import CrossEntropyLoss
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from data.augmentation.batches import RandomAffine
from data.digits import digits
from data.loading.loaders import loader
from models.cnn import CNN
from trainer import Plan, Schedule, Supervised, execute, setup
from trainer.seeding import derive, seed_all


def cycle(optimizer: Optimizer, plan: Plan) -> Schedule:
    """Move the rate by one cycle, as scheduler=one_cycle does."""
    return Schedule(optimizer, partial(OneCycleLR, max_lr=0.003, total_steps=plan.steps))


splits = digits(augment=RandomAffine(rotate=12, scale=0.1, shift=0.06, shear=8))
seed_all(0, "weights")
task = Supervised(CNN(splits.info.input_shape, splits.info.num_classes), CrossEntropyLoss())
feed = partial(loader, batch_size=32)
adamw = partial(AdamW, lr=0.003, weight_decay=0.05)
run = setup(task, splits, loader=feed, optimizer=adamw, schedule=cycle, seed=derive(0, "order"))
print(execute(run).metrics["test/accuracy"])
