"""The terminal program: ask medical terms on one's own machine, offline."""
