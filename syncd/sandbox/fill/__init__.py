"""Where the sandbox's people and purchases come from; each module makes a list of `dataset.Buyer`."""
