"""The recipes that come with dlrecipes, one file each. Listing them imports none."""
