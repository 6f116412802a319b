"""Files to arrays: binned signal, regions, splits, near-duplicates, augmentation, batches, the prepared data set."""
