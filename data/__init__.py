"""Small real samples that come with dlrecipes; README.md says where each one is from."""
