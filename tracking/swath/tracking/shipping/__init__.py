"""From a run folder to a server: the HTTP client, the delivery of one log, and the shipper that keeps at it."""
