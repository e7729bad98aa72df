"""Runs of demo tickets that several tests look at, by name and options of `tree_of`."""

QUICK = {"passes": 0, "cells": 8, "batch": 64}
FULL = {"data": "sample", "reference": "lenet300_init", **QUICK}
"""All parts of lenet300_density02."""
DATA_FREE = {"samples": 10_000, "input_bound": 1.0, "input_shape": (1, 28, 28), **QUICK}
"""All parts of conv_density10 that need no data."""
