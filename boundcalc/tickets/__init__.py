"""Tickets: architectures, pruners, training and rewinding; nothing is imported before it is asked for."""
