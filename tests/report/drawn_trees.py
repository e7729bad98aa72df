"""Trees of a report with any names, reasons and numbers, for hypothesis."""

from hypothesis import strategies as st

from boundcalc.report import SCHEMA

HOSTILE = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="\\{}$&#_%~^<>|\"'`[]*-+=.() 10", max_size=30),
    st.text(alphabet="abc._ 层é\u0301\x1b\u200b", min_size=100, max_size=300),
)
NUMBER = st.one_of(st.none(), st.integers(0, 10**18), st.floats(0, allow_nan=False, allow_infinity=False))
LEAF = st.one_of(NUMBER, HOSTILE, st.booleans())
ANY = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=14) | st.dictionaries(HOSTILE, inner, max_size=3)
)
STATUS = st.sampled_from(["theorem", "published", "refuted", "score", "not_covered"])
BOUND = st.fixed_dictionaries(
    {"status": STATUS, "value": NUMBER, "log10_value": st.none() | st.floats(-10, 1e5), "complexity": NUMBER},
    optional={
        "kind": st.sampled_from(["F", "loss"]),
        "vacuous": st.booleans(),
        "margin": NUMBER,
        "ratio": NUMBER,
        "reason": st.none() | HOSTILE,
        "source": HOSTILE,
        "assumptions": st.lists(HOSTILE, max_size=2),
        "terms": st.dictionaries(HOSTILE, ANY, max_size=3),
    },
)
SHAPE = st.none() | st.lists(st.integers(1, 10**6), max_size=8)
LAYER = st.fixed_dictionaries(
    {
        "name": HOSTILE,
        "kind": HOSTILE,
        "shape": SHAPE,
        "stride": SHAPE,
        "parameters": NUMBER,
        "density": NUMBER,
    }
)
TOPOLOGY_LAYER = st.fixed_dictionaries(
    {"name": HOSTILE, "delta_r": NUMBER, "narc": NUMBER, "collapsed": st.booleans()}
)
TREES = st.fixed_dictionaries(
    {
        "schema": st.just(SCHEMA),
        "checkpoint": st.fixed_dictionaries(
            {
                "path": HOSTILE,
                "evidence": st.lists(HOSTILE, max_size=2),
                "ignored": st.lists(HOSTILE, max_size=20),
            }
        ),
        "network": st.fixed_dictionaries({"layers": st.lists(LAYER, max_size=3)}),
        "bounds": st.dictionaries(HOSTILE, BOUND, max_size=4),
        "topology": st.fixed_dictionaries(
            {"layers": st.lists(TOPOLOGY_LAYER, max_size=2), "distance": NUMBER}
        ),
        "gntk": st.dictionaries(HOSTILE, ANY, max_size=3),
        "skipped": st.lists(st.fixed_dictionaries({"part": HOSTILE, "reason": HOSTILE}), max_size=2),
        "summary": st.lists(HOSTILE, max_size=3),
    }
)
