"""How the page to try a model takes each kind of input, and shows each kind of answer."""
