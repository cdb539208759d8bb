"""``faceoff train``: a surrogate of one's own, from a folder of people."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from faceoff.cli import arguments, exits, output, progress
from faceoff.cli.parts import Parts, native_silence
from faceoff.errors import FaceOffError, Reason
from faceoff.networks.options import Precision
from faceoff.training.settings import DIMENSIONS, Adversary, Architecture, Attack, Objective, Settings
from faceoff.types import Loss

if TYPE_CHECKING:
    from faceoff.networks.card import Card
    from faceoff.training.faces import Faces
    from faceoff.training.quality import Pairs
    from faceoff.training.trainer import Epoch

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_EXAMPLES = f"""examples:
  faceoff train people/ --architecture tiny --epochs 30           the whole way in minutes, on any machine
  faceoff train people/ --architecture large --loss center --dimension 512 --precision bfloat16 --out mine
  faceoff train people/ --architecture large --adversarial pgd    half of every batch masked
  faceoff protect holiday.jpg --surrogates mine

An interrupted training goes on after its last whole epoch when the same command is given again.

{exits.HELP}"""


def add(commands: Commands) -> None:
    parser = commands.add_parser(
        "train",
        help="train a surrogate of your own",
        description="Trains a network on a folder of people and adds it to the catalogue, as a surrogate or a victim. Train on "
        "photos of people who agreed to it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, parser=parser)
    parser.add_argument("people", type=Path, metavar="DIR", help="a sub-folder of photos for each person")
    parser.add_argument(
        "--architecture", type=Architecture, choices=list(Architecture), default=Settings.architecture,
        help="small and large are the paper's (its Table 2); tiny is for trying (default: small)",
    )  # fmt: skip
    parser.add_argument(
        "--loss", type=Objective, choices=list(Objective), default=Settings.objective, help="default: triplet"
    )
    parser.add_argument(
        "--dimension", type=int, choices=DIMENSIONS, help="of an embedding (default: 128 with triplet, 512 with center)"
    )
    parser.add_argument("--epochs", type=arguments.count, default=Settings.epochs, metavar="N", help="default: 100")
    parser.add_argument(
        "--batch-people",
        type=arguments.count,
        default=Settings.people,
        metavar="P",
        help="people a batch (default: 16)",
    )
    parser.add_argument(
        "--batch-photos", type=arguments.count, default=Settings.photos, metavar="K", help="photos of each (default: 4)"
    )
    parser.add_argument(
        "--learning-rate", type=arguments.positive, default=Settings.learning_rate, metavar="RATE",
        help="Adam's at the start; it falls to 0 along a cosine (default: 0.001)",
    )  # fmt: skip
    parser.add_argument(
        "--precision", type=Precision, choices=list(Precision), default=Settings.precision,
        help="bfloat16 is mixed precision: faster on GPUs that have it (default: float32)",
    )  # fmt: skip
    parser.add_argument(
        "--adversarial",
        type=Attack,
        choices=list(Attack),
        help="mask half of every batch, on the weights of the moment",
    )
    parser.add_argument(
        "--attack-loss", type=Loss, choices=(Loss.HINGE, Loss.TARGET, Loss.DODGE), default=Adversary.loss,
        help="what those masks pursue (default: hinge)",
    )  # fmt: skip
    parser.add_argument(
        "--attack-rms", type=arguments.positive, default=Adversary.rms, metavar="LEVELS",
        help="how large they are, of 255 (default: 6)",
    )  # fmt: skip
    parser.add_argument(
        "--attack-steps", type=arguments.count, default=Adversary.steps, metavar="N", help="steps a mask (default: 10)"
    )
    parser.add_argument("--out", metavar="NAME", help="what the network is called (default: after its settings)")
    parser.add_argument("--device", choices=("cpu", "gpu"), help="default: a GPU if there is one")
    parser.add_argument(
        "--deterministic", action="store_true", help="on a GPU, only what repeats to the last bit: slower"
    )
    parser.add_argument("--seed", type=arguments.index, default=0, metavar="N", help="another seed, another network")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")


def run(options: argparse.Namespace, parts: Parts) -> int:
    settings = settings_of(options)
    name = options.out or default_name(settings)
    with native_silence():
        import logging

        import tensorflow as tf

        from faceoff.training import faces, publish, recipes, trainer
        from faceoff.training.checkpoint import Checkpoint

        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        logging.getLogger("absl").setLevel(
            logging.ERROR
        )  # Keras calls the .h5 files deprecated that it reads and writes
        device = _device(options.device)
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    blank = recipes.blank(name, settings)
    publish.check_free(blank, parts.home, Checkpoint(parts.home, name, {}).exists())
    detector = parts.detector()
    shown = progress.shown(output.printable(options.people.name or name), options.quiet)
    with shown as report, faces.gather(options.people, detector, report, settings.seed) as people, tf.device(device):
        progress.note(_found(people), options.quiet)
        checkpoint = Checkpoint(parts.home, name, trainer.identity(settings, people))
        tell = _teller(settings.epochs, options.quiet)
        try:
            model, _ = trainer.train(blank, settings, people, checkpoint, report, tell)
        except KeyboardInterrupt:
            if checkpoint.exists():
                progress.note("The same command goes on after the last whole epoch.", options.quiet)
            raise
        found = trainer.verification(model, blank, people)
        card = publish.publish(blank, model, people, found, parts.home)
    checkpoint.remove()
    if not options.quiet:
        output.say(_words(card, found))
    return exits.DONE


def settings_of(options: argparse.Namespace) -> Settings:
    adversary = None
    if options.adversarial:
        adversary = Adversary(options.adversarial, options.attack_loss, options.attack_rms, options.attack_steps)
    return Settings(
        architecture=options.architecture,
        objective=options.loss,
        dimension=options.dimension or (128 if options.loss is Objective.TRIPLET else 512),
        epochs=options.epochs,
        people=options.batch_people,
        photos=options.batch_photos,
        learning_rate=options.learning_rate,
        precision=options.precision,
        adversary=adversary,
        seed=options.seed,
    )


def default_name(settings: Settings) -> str:
    words = [settings.architecture, settings.objective, str(settings.dimension)]
    return "-".join([*words, settings.adversary.attack] if settings.adversary else words)


def _device(asked: str | None) -> str | None:
    """TensorFlow's name of the device; None leaves the choice to it."""
    import tensorflow as tf

    if asked == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise FaceOffError(
            Reason.INVALID_ARGUMENT,
            "TensorFlow finds no GPU here.",
            "Leave --device out, or install its CUDA libraries.",
        )
    return f"/{asked.upper()}:0" if asked else None


def _teller(epochs: int, quiet: bool) -> Callable[[Epoch], None]:
    """Says how each epoch went and how long the others will take at its pace."""

    def tell(epoch: Epoch) -> None:
        left = epoch.seconds * (epochs - epoch.number)
        progress.note(
            f"epoch {epoch.number}/{epochs}: loss {epoch.loss:.4f}, verification AUC {epoch.auc:.3f} on held-out photos, "
            f"{_duration(left)} left",
            quiet,
        )

    return tell


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _found(people: Faces) -> str:
    held_out = int(people.held_out.sum())
    text = f"{people.people} people: {len(people.labels) - held_out} photos to train on, {held_out} held out"
    if people.photos_left_out:
        text += f"; {people.photos_left_out} files left out: no face found, or no photo"
    if people.people_left_out:
        text += f"; {people.people_left_out} people left out: too few faces"
    return text


def _words(card: Card, found: Pairs) -> str:
    from faceoff.training.quality import auc

    rates = ", ".join(f"{distance:g} at {rate:.2%}" for rate, distance in card.thresholds.items())
    lines = [
        f"{card.name}: verification AUC {auc(found):.3f} on {len(found.same)} held-out pairs of one person and "
        f"{len(found.other)} of two",
        f"  thresholds at false accept rates: {rates or 'too few pairs to measure one'}",
        "  measured on the people that it was trained on: strangers are told apart less well",
        f"  use it: faceoff protect PHOTO --surrogates {card.name}",
    ]
    return "\n".join(lines)
