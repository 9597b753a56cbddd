"""Write a run as one Keras script that needs no dlrecipes."""
