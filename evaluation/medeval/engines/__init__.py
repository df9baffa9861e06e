"""Which engine `--engine` names, and engines that are for evaluation alone."""
