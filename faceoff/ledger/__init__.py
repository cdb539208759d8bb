"""What is counted over threads, processes and crashes: one SQLite file, and token buckets in it."""
