"""What recipes import."""
