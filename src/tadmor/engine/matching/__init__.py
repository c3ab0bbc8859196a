"""Which photos show the same things: descriptor matching and retrieval. Arrays in, arrays out."""
