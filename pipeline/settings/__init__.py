"""Settings of workers and commands, each from a ``FOOTFALL_`` variable of the environment."""
