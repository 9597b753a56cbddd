"""What Python and the operating system give, under one roof."""
