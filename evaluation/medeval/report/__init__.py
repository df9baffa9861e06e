"""A comparison as Markdown and as one page."""
