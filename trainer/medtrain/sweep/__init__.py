"""Sweeps: the settings of a recipe that validate best, searched for by Optuna."""
