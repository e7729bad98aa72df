"""Symbolic forms of the bounds, the explanations built from them, and attacks on the claims of the bounds."""
