"""Programs that travel with an export, as `runtime.py`: they need its runtime alone."""
