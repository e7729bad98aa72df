"""Data sets as people have them on disk: a module a form of ``--data``, streamed and checked."""
