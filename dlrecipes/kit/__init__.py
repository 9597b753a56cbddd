"""What recipes use."""
