"""How many replicas and nodes it takes, and what an autoscaler makes of a day: computed, not measured. The measurements that it
stands on are the lines of benchmarks/results*.jsonl."""
