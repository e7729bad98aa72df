"""Theory as data: symbolic forms of the bounds, their explanation, and attacks on what they claim."""
