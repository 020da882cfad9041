"""Speed, measured as ratios against something run side by side in the same minutes on the same cores."""
