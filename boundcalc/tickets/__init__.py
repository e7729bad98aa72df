"""Tickets: architectures, pruners, training and rewinding; submodules are imported only when needed."""
