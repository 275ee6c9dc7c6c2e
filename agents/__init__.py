"""What is done to events: ``core`` decides, purely; the agents around it apply it, one file each."""
