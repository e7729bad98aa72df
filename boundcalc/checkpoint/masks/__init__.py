"""Which entries of a file are masks: one resolver for the state dict, for files beside it, and for --mask.

Every entry, at any depth and under any kind of key, gets one of three answers: it is applied; it is no mask, with a reason
that is kept in `boundcalc.checkpoint.types.Checkpoint.entries`; or the file is refused, with a one-line error that names
the entry and a way to save the file that keeps the masks.

`leaves` walks a saved object, `words` interprets names, `scan` selects possible masks, `families` groups entries that
belong together, `assign` determines which weight each mask is for, `fit` reconciles shapes and positions, `orient` decides
whether 1 means kept or pruned, `combine` merges pruning rounds and families, `resolver` runs all of these in order, `apply`
multiplies. `scores` is edge-popup; `folder` finds files of masks beside a checkpoint.
"""
