"""What an analysis may use besides the checkpoint and the sample: certificates, and unlabelled examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boundcalc.certificates.beside import beside
from boundcalc.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from boundcalc.certificates.held import Held
    from boundcalc.empirical.datasets import Dataset
    from boundcalc.empirical.split import Split
    from boundcalc.network.network import Network


@dataclass(frozen=True, eq=False)
class Evidence:
    """Certificates and unlabelled examples.

    Attributes:
        held: certificates, in the order in which they were named.
        problem: why the one that lies beside the checkpoint is not among them; "" where it is, or there is none.
        named: whether they were named by the user.
        unlabelled: returns examples under a normalization (means, then deviations); None where none were given.
        sample: returns the training samples under a normalization; None without data.
        shape: of one sample, an image with its channels.
    """

    held: tuple[Held, ...] = ()
    problem: str = ""
    named: bool = False
    unlabelled: Callable[[Sequence[float] | None], Unlabelled] | None = None
    sample: Callable[[Sequence[float] | None], Split] | None = None
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Examples whose labels are not used.

    Attributes:
        name: as the user gave it.
        split: the examples.
        what: which part of the data they are.
        labelled: whether the data holds labels of them.
    """

    name: str
    split: Split
    what: str
    labelled: bool


def gather(
    checkpoint: str,
    network: Network,
    dataset: Dataset | None,
    options: Any,
) -> Evidence:
    """Find the certificates and open the unlabelled examples.

    Args:
        checkpoint: path of the checkpoint.
        network: its network.
        dataset: the sample, or None.
        options: of the analysis: certificate, unlabelled, model, data, max_memory.

    Raises:
        CheckpointError: a certificate that was named is unreadable.
        UsageError: unlabelled examples without data.
    """
    from boundcalc.certificates.file import digest_of_split
    from boundcalc.certificates.held import hold, shipped
    from boundcalc.empirical.datasets import open_data

    shape = network.input_shape
    if dataset is not None:
        shape = tuple(dataset.train.shape)
        shape = (1, *shape) if len(shape) == 2 else shape
    paths: list[Path] = (
        [] if options.certificate is None else [Path(word) for word in _words(options.certificate)]
    )
    named = bool(paths)
    if not named and (own := beside(checkpoint)) is not None:
        paths = [own]
    if options.unlabelled is not None and dataset is None:
        raise UsageError(
            "--unlabelled needs --data: the sample on which the errors of the certified network are counted"
        )
    if options.unlabelled is not None and not paths and dataset is not None:
        paths = shipped(digest_of_split(dataset.train))
    problem = ""
    held: tuple[Held, ...] = ()
    try:
        held = hold(paths, network, options.model, shape)
    except CheckpointError as error:
        if named:
            raise
        problem = str(error)

    def unlabelled(normalize: Sequence[float] | None) -> Unlabelled:
        opened = open_data(options.unlabelled, normalize, options.max_memory)
        if opened.test is not None:
            return Unlabelled(opened.name, opened.test, "test split", True)
        return Unlabelled(opened.name, opened.train, "only split", True)

    def sample(normalize: Sequence[float] | None) -> Split:
        return open_data(options.data, normalize, options.max_memory).train

    return Evidence(
        held,
        problem,
        named,
        None if options.unlabelled is None else unlabelled,
        None if dataset is None else sample,
        shape,
    )


def _words(given: Any) -> Sequence[str]:
    return str(given).split(",") if isinstance(given, str | Path) else [str(one) for one in given]
