"""Where data come from: manifests, downloads, and the simulated genome."""
