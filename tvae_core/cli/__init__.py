"""The command `tvae`: everything the window does has its command here."""
