"""The two colour themes."""

from textual.theme import Theme

DARK = "medical-dark"
LIGHT = "medical-light"

THEMES = (
    Theme(
        name=DARK,
        dark=True,
        primary="#5fb8ad",
        secondary="#7aa7c7",
        accent="#7aa7c7",
        foreground="#d3dde2",
        background="#10171c",
        surface="#172128",
        panel="#1c2830",
        success="#7fb685",
        warning="#e0a95c",
        error="#e07a6f",
    ),
    Theme(
        name=LIGHT,
        dark=False,
        primary="#0b6e66",
        secondary="#2f5f86",
        accent="#2f5f86",
        foreground="#1d2a32",
        background="#fbfcfc",
        surface="#ffffff",
        panel="#e9eff0",
        success="#2c6e3f",
        warning="#9a5b00",
        error="#a8322a",
    ),
)
