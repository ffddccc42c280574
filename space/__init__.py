"""The pages: try a model, submit one, compare them, read what they cannot say."""
