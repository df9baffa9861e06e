"""What every conversion is put to before its output gets its name."""
