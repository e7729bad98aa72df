"""Which entries of a file are masks: one resolver for the state dict, for files beside it, and for --mask.

Every entry is looked at, at any depth and under any kind of key, and gets one of three answers: applied; no mask, with the reason,
kept in `boundcalc.checkpoint.types.Checkpoint.entries`; or refused, in one line that names the entry
and a way on that keeps the masks.

`leaves` walks a saved object, `words` says what names mean, `scan` picks what may be a mask, `families` puts together what belongs
together, `assign` tells which weight each mask is for, `fit` brings shapes and positions together, `orient` decides whether 1 means
kept or pruned, `combine` settles rounds and several families, `resolver` does all of it in order, `apply` multiplies. `scores` is
edge-popup; `folder` finds files of masks beside a checkpoint.
"""
