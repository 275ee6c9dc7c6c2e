"""What both folds share: records, the joined state, stores, windows, control records."""
