"""Layers of our own, and the compiled loops behind them."""
