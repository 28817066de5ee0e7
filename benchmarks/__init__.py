"""What things cost, each by a command; no test says how long something takes."""
