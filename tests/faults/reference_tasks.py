"""The runs that are killed: what `train` is told for each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reference import draw_pictures

CONF = Path(__file__).resolve().parent / "conf"
EVERY = 3  # steps between two checkpoints
KEEP = 2  # of the newest
QUICK = (
    "run.dir=run",
    f"checkpoint.every={EVERY}",
    f"checkpoint.keep={KEEP}",
    "trainer.threads=1",
    "trainer.record_every=5",
    "trainer.ema=0.9",
    "evaluation.baselines=false",
    "evaluation.mistakes=0",
    "export=none",
)
ROWS = ("data=rows", "model=net", "scheduler=cosine", "loader.batch_size=18", "trainer.epochs=12")
IMAGES = (
    "data=images",
    "data.path=pictures",
    "data.size=[12,12]",
    "data.cache=false",
    "+data.augment.crop=2",
    "data.transform={_target_: torchvision.transforms.v2.ColorJitter, brightness: 0.5}",
    "model=convolutions",
    "trainer.channels_last=true",
    "loader.batch_size=7",
    "trainer.epochs=12",
)


FORKED = "watching:watched_with_forked_workers"


@dataclass(frozen=True)
class ReferenceTask:
    """A run, short and of many parts.

    words: its overrides.
    workers: processes that read its data.
    background: whether checkpoints are written while training goes on.
    patch: what its processes do beside the command.
    """

    name: str
    words: Sequence[str]
    workers: int = 0
    background: bool = False
    patch: str = "watching:watched"

    @property
    def forked(self) -> bool:
        """Whether its workers are forked, and not started by a server."""
        return self.patch == FORKED

    @property
    def bound(self) -> int:
        """How many steps a kill may cost.

        Those since the last checkpoint, `checkpoint.every` at most. In the background one more may
        be on its way: a save that comes before it has arrived waits for it.
        """
        return 2 * EVERY if self.background else EVERY

    def argv(self, *more: str) -> list[str]:
        """The command line."""
        mine = (f"loader.num_workers={self.workers}", f"checkpoint.background={self.background}")
        return ["train", "--config-dir", str(CONF), *QUICK, *mine, *self.words, *more]

    def prepare(self, folder: Path) -> None:
        """Make the folder in which it is started, with the data that it reads."""
        folder.mkdir(parents=True)
        if IMAGES[0] in self.words:
            draw_pictures(folder / "pictures")


SUPERVISED = ReferenceTask("supervised", (*ROWS, "evaluation.patience=50"))
# The last batches of an epoch make a step of one micro-batch that is ragged, too.
ACCUMULATED = ReferenceTask(
    "accumulated",
    (*ROWS, "loader.batch_size=11", "trainer.accumulate=2", "trainer.clip_norm=1"),
    background=True,
)
BF16 = ReferenceTask("bf16", (*ROWS, "trainer.precision=bf16", "recorder=silent"))
# Ends early, when the metric has not improved for some evaluations.
PLATEAU = ReferenceTask(
    "plateau",
    (
        *ROWS,
        "optimizer=sgd",
        "scheduler=plateau",
        "scheduler.schedule.patience=0",
        "evaluation.patience=4",
        "trainer.epochs=30",
    ),
)
TWO_OPTIMIZERS = ReferenceTask(
    "two optimizers",
    (*ROWS, "model=players", "task=gan", "optimizer=two", "evaluation.select=loss"),
    background=True,
)
PICTURES = ReferenceTask("images (channels_last)", IMAGES)
TIED = ReferenceTask(
    "tied weights", (*ROWS, "model=tied", "recorder=silent", "trainer.ema=null"), background=True
)
# As users have them: from a fork server of their own, which imports torch first.
WITH_SERVER = ReferenceTask("supervised, fork server", SUPERVISED.words, workers=2)
TASKS = (
    WITH_SERVER,  # first, since it takes longest
    SUPERVISED,
    ACCUMULATED,
    BF16,
    PLATEAU,
    TWO_OPTIMIZERS,
    PICTURES,
    TIED,
    replace(SUPERVISED, name="supervised, 2 workers", workers=2, background=True, patch=FORKED),
    replace(PICTURES, name="images (channels_last), 2 workers", workers=2, patch=FORKED),
)
