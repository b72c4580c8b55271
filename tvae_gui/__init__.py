"""The window: it shows what the core makes, and hands requests back to it."""
