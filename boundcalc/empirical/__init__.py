"""Measurements on data: data sets, margins and gaps."""
