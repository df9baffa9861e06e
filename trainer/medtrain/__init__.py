"""medtrain: data sets -> prepared examples -> a base model and a LoRA adapter."""
