"""Starting a real Apache Kafka, and making the topics on it."""
