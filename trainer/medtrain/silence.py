"""Libraries keep quiet, so that a command prints its own lines alone."""


def libraries() -> None:
    """No notes, warnings and progress bars of what trains; what the environment says stays."""
    import logging
    import warnings

    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # It tells of kernels for processors that it does not need.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"torch\..*|trl\..*|transformers\..*|peft\..*")
