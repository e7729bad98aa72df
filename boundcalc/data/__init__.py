"""Data sets in the usual formats on disk: one module per form of ``--data``, streamed and checked."""
