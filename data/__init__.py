"""The sample set, installed as the package boundcalc.sample."""
