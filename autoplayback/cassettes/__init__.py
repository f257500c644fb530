"""Where tapes are kept. `open_cassette(url)` gives the one a URL means."""
