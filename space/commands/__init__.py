"""The commands of ``python -m space``, a module each."""
