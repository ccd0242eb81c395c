"""Speed, measured side by side with what people would otherwise write. Ratios from one run count; single times do not."""
