"""What the processes share: settling, the database, messaging, the providers."""

import gc

# Python looks at all objects again whenever 700 new ones have come and stayed, and most that come while modules are
# imported stay: a tenth of each process's start. Rarely is enough for what runs long, too.
gc.set_threshold(50_000, 20, 20)
