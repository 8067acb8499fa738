"""Other programs' codecs beside ours: checkpoints of public sizes, and how each peer runs them."""
