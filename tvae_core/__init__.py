"""The engine and everything that needs no window."""

import os

# Threads that wait for each other sleep instead of spinning. With another busy process on the
# machine, spinning ones made a training step 6 to 10 times slower (docs/performance.md). OpenMP
# reads this when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
