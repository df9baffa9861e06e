"""medeval: what a model is worth."""
