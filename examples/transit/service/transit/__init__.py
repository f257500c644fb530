"""Plans which vehicles drive which trips of a bus network: over HTTP (`web`), and from a queue (`worker`)."""
