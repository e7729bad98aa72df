"""The types of a report's tree, schema ``boundcalc.report/2``, which `boundcalc.report.assemble` and the parts build.

Readers of a tree accept any mapping, since a report may come from a file of an earlier version and lack newer entries. The
meaning of each entry is in the JSON Schema of the package (`boundcalc.report.schema`); a test checks that the two agree.
"""

from __future__ import annotations

from typing import Any, TypedDict

from boundcalc.report.part_types import GntkTree, GraphonTree, SamplesTree, TopologyTree


class Skipped(TypedDict):
    """A part that did not run, and why."""

    part: str
    reason: str


class RunOptions(TypedDict):
    """Options on which numbers of several parts depend."""

    mask_origin: str
    margin: float | str
    normalize: list[float] | None
    normalize_fixed: bool


class TensorEntry(TypedDict):
    """A tensor of the file: its role (``"weight"``, ``"mask"``, ``"bias"``, ``"buffer"``, ``"unused"``, ``"not read"``) and why."""

    key: str
    role: str
    why: str


class ReferenceEntry(TypedDict):
    """The initialization from which distances are measured."""

    path: str
    how: str


class CheckpointTree(TypedDict):
    """The checkpoint that was read."""

    path: str
    sha256: str
    format: str
    evidence: list[str]
    mask: str
    parameters: int
    surviving: int
    kept: int
    density: float
    biases: int
    reference: ReferenceEntry | None
    at_reference: float | None
    ignored: list[str]
    tensors: list[TensorEntry]


class Geometry(TypedDict):
    """How a kernel moves over its input; None for a linear layer."""

    stride: list[int] | None
    padding: list[int] | None
    dilation: list[int] | None
    groups: int | None


class LayerTree(Geometry):
    """One layer."""

    name: str
    kind: str
    shape: list[int]
    parameters: int
    surviving: int
    kept: int
    density: float
    pattern: dict[str, Any] | None
    outputs: int
    dead: list[int]
    silent: list[int]
    inputs: int
    unread: list[int]
    at_reference: float | None


class SetAside(TypedDict):
    """A tensor of the file that is not part of the network."""

    key: str
    why: str


class NetworkTree(TypedDict):
    """The network that the checkpoint describes."""

    input_shape: list[int] | None
    outputs: int | None
    depth: int | None
    source: str
    inferred: bool
    unplaced: str | None
    assumptions: list[str]
    layers: list[LayerTree]
    uncounted: list[dict[str, Any]]
    set_aside: list[SetAside]


class DataTree(TypedDict):
    """The sample, measured or declared."""

    name: str
    kind: str
    m: int
    m_test: int | None
    shape: list[int]
    normalize: list[float] | None
    max_pixel_energy: float
    max_coordinate_energy: float
    frobenius: float
    max_abs: float


class OfCertificate(TypedDict, total=False):
    """Entries that only certificates have."""

    prior: str | None


class BoundTree(OfCertificate):
    """One bound: its status, the network that it is about, its value."""

    status: str
    kind: str
    subject: str
    bounds: str | None
    complexity: float | None
    log10_complexity: float | None
    value: float | None
    log10_value: float | None
    vacuous: bool
    margin: float | None
    ratio: float | None
    log10_ratio: float | None
    terms: dict[str, Any]
    source: str
    assumptions: list[str]
    reason: str | None
    blockers: list[dict[str, Any]]
    needs: str | None


class EmpiricalTree(TypedDict):
    """The measured errors and margins."""

    train_error: float | None
    test_error: float | None
    gap: float | None
    margin_quantiles: dict[str, float]
    test_reason: str | None


class NetworkVerdict(TypedDict):
    """The smallest theorem about the network's own error."""

    value: float | None
    bound: str
    all_at_once: float | None
    all_at_once_bound: str | None
    statements: int | None
    delta: float
    reason: str | None


class CompressionVerdict(TypedDict):
    """The smallest certificate of a compression, which is another network."""

    value: float | None
    bound: str
    train_error: float | None
    surviving: int | None
    saved: str | None
    delta: float
    reason: str | None


class TestSetVerdict(TypedDict):
    """The exact binomial bound of the test error."""

    value: float
    errors: int
    m: int
    delta: float
    source: str
    assumptions: list[str]


class Reasons(TypedDict):
    """Why an entry of the verdict is null."""

    network: str | None
    compression: str | None
    test_set: str | None


class VerdictSentences(TypedDict, total=False):
    """The verdict in sentences, added after everything else."""

    sentences: dict[str, str]


class VerdictTree(VerdictSentences):
    """What is proved about the network, about its compression and by the test set, and what looks wrong."""

    network: NetworkVerdict | None
    compression: CompressionVerdict | None
    test_set: TestSetVerdict | None
    warnings: list[str]
    reasons: Reasons


class ReportTree(TypedDict):
    """A whole report; further parts have keys of their own."""

    schema: str
    version: str
    seed: int
    delta: float
    options: RunOptions
    checkpoint: CheckpointTree
    network: NetworkTree
    data: DataTree | None
    bounds: dict[str, BoundTree]
    samples: SamplesTree | None
    topology: TopologyTree | None
    graphon: GraphonTree | None
    gntk: GntkTree | None
    empirical: EmpiricalTree | None
    skipped: list[Skipped]
    seconds: dict[str, float]
    verdict: VerdictTree
    summary: list[str]
