"""Every piece of work as one request, which says its command and does itself."""
