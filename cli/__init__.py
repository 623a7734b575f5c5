"""The commands: they parse, call and print; what they call is `adsyncconfig`."""

import gc

# A command is a short process that keeps nearly everything it makes: collections while its modules load find
# nothing, and cost a twentieth of the run. The collector goes on, every 50,000 new objects instead of every 700.
gc.set_threshold(50_000)
