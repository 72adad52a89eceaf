"""How much longer than on a machine at rest a wait for a condition may take before its test fails."""

PATIENCE = 6  # a loaded machine is slow, not wrong; a limit only tells it from one where nothing happens any more
