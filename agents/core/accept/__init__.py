"""The first fold: raw records become clean chunks, without anything personal."""
