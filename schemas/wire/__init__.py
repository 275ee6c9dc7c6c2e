"""What travels: the records of every topic, and how they are written and read."""
