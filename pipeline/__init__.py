"""How it runs: apps, transport, stores, settings, metrics, commands, and the embedded broker."""
