"""Choose the images that are held out for validation: a tenth once, or each fold in turn."""
