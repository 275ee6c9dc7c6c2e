"""The pure fold: every decision is a function of the log. No input or output, no clock, no framework."""
