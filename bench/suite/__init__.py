"""What bench/run and bench/compare are made of. Python's standard library only."""
