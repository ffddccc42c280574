"""Benchmarks and scores: how good a checkpoint is, how sure that is, and whether it was read as its author meant."""
