"""The command `tvae`: every journey of the window has its command here."""
