"""The paper's figures and tables, one YAML file each, and the command that reproduces them (python -m experiments.paper)."""
