"""Measurements of how well masks work. Each writes a small results file; docs/experiments.md is rendered from those."""
