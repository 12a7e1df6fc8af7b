"""One worker: leases tasks, runs them on its device, stores and publishes what came of them."""
