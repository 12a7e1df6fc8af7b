"""The logs on Kafka."""
