"""Sources of networks as an export holds them: read as text, never imported."""
